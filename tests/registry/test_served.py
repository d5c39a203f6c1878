import base64
from pathlib import Path

import pytest
from mlflow.exceptions import MlflowException

from facesent.images.reading import ImageError, read_image
from facesent.registry.packaging import signature
from facesent.registry.served import MAX_BYTES, Options, asked_for, decode_photo, registered_version

PHOTO = b"\xff\xd8\xff\xfb\xef\xbenot a photo"
TEXT = base64.b64encode(PHOTO).decode()
URL_SAFE = base64.urlsafe_b64encode(PHOTO).decode()


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        f"data:image/jpeg;base64,{TEXT}",
        f"data:;base64,{TEXT}",
        f"DATA:image/svg+xml;charset=utf-8;BASE64,{TEXT}",
        f"  {TEXT[:8]}\n{TEXT[8:]}\r\n",
        f" data:image/jpeg;base64,\n{TEXT}\n",
        TEXT.rstrip("="),
        URL_SAFE,
        f"data:image/webp;base64,{URL_SAFE.rstrip('=')}",
    ],
)
def test_base64_in_every_form_that_clients_send(text: str) -> None:
    assert "=" in TEXT
    assert {"-", "_"} <= set(URL_SAFE)
    assert decode_photo(text) == PHOTO


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "Received: NoneType"),
        (3.5, "Received: float"),
        (f"{TEXT},data:image/jpeg;base64,{TEXT}", "base64"),
        ("this is no base64!", "Received: 'thisisnobase64!'"),
        ("abcde", "base64"),
        ("/etc/passwd.", "not opened"),
        ("https://example.com/a.jpg", "not opened"),
        ("data:image/jpeg,plain", "base64"),
        ("A" * (MAX_BYTES * 4 // 3 + 100), f"at most {MAX_BYTES} bytes"),
    ],
)
def test_what_is_no_base64_is_refused(value: object, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        decode_photo(value)


def test_line_breaks_do_not_count_as_bytes() -> None:
    text = base64.encodebytes(bytes(MAX_BYTES)).decode()
    assert len(text) > MAX_BYTES * 4 / 3 + 4
    assert len(decode_photo(text)) == MAX_BYTES


@pytest.mark.parametrize("name", ["photo.png", "photo"])
def test_the_path_of_a_readable_file_is_not_opened(tmp_path: Path, name: str) -> None:
    from PIL import Image

    file = tmp_path / name
    Image.new("RGB", (8, 8)).save(file, "PNG")
    for text in (str(file), file.as_uri()):
        # A path may happen to be base64 of something, which then is no image.
        with pytest.raises(ImageError):
            read_image(decode_photo(text), 8)


def test_what_a_request_leaves_out_is_as_before_it_could_be_asked() -> None:
    assert asked_for({}) == Options(0.0, 0, "none")
    defaults = {param.name: param.default for param in signature(0.4).params.params}
    assert asked_for(defaults) == Options(0.4, 0, "none")


@pytest.mark.parametrize(
    "params",
    [
        {"min_confidence": float("nan")},
        {"min_confidence": 2},
        {"min_confidence": None},
        {"top_k": None},
        {"top_k": -1},
        {"crop": "smallest"},
    ],
)
def test_a_wrong_parameter_is_named(params: dict[str, object]) -> None:
    with pytest.raises(MlflowException, match=f"^{next(iter(params))}: Expected") as raised:
        asked_for(params)
    assert raised.value.get_http_status_code() == 400


@pytest.mark.parametrize(
    ("written", "version"),
    [
        ("model_name: facesent\nmodel_version: '3'\n", 3),
        ("model_name: null\nmodel_version: null\n", None),
        ("", None),
        ("model_version: [", None),
        (None, None),
    ],
)
def test_the_version_is_that_which_mlflow_noted(tmp_path: Path, written: str | None, version: int | None) -> None:
    if written is not None:
        (tmp_path / "registered_model_meta").write_text(written)
    assert registered_version(tmp_path) == version
