import base64

import pytest

from facesent.data.images import ImageError
from facesent.registry.served import MAX_BYTES, decode_photo

PHOTO = b"\xff\xd8 not really a photo \xff\xd9"
TEXT = base64.b64encode(PHOTO).decode()


@pytest.mark.parametrize("text", [TEXT, f"data:image/jpeg;base64,{TEXT}", f"  {TEXT[:8]}\n{TEXT[8:]}\r\n"])
def test_base64_with_and_without_a_data_url(text: str) -> None:
    assert decode_photo(text) == PHOTO


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "Received: NoneType"),
        (3.5, "Received: float"),
        (f"{TEXT},data:image/jpeg;base64,{TEXT}", "base64"),
        ("this is no base64!", "Received: 'this is no base64!'"),
        ("abc", "base64"),
        ("/etc/passwd.", "base64"),
        ("A" * (MAX_BYTES * 4 // 3 + 100), f"at most {MAX_BYTES} bytes"),
    ],
)
def test_what_is_no_base64_is_refused(value: object, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        decode_photo(value)
