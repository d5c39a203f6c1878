"""What is no image, or none that is taken, is called by its name."""

import io

import pytest
from PIL import Image

from facesent.images.kinds import is_picture, kind_of
from facesent.images.reading import FORMATS, ImageError, read_image

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12345\n"


def saved(kind: str) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (16, 16)).save(stream, kind)
    return stream.getvalue()


@pytest.mark.parametrize("kind", [*FORMATS, "AVIF", "TIFF"])
def test_pictures_are_known_by_their_content(kind: str) -> None:
    assert kind_of(saved(kind)) == kind
    assert is_picture(kind)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
        (b"\0\0\0\x18ftypisom\0\0\0\0", "a video"),
        (saved("AVIF"), "AVIF"),
        (saved("TIFF"), "TIFF"),
        (LFS, "Git LFS pointer, which `git lfs pull`"),
        (b"\xef\xbb\xbf\n <!DOCTYPE html><html>404</html>", "an HTML page"),
        (b'<?xml version="1.0"?><svg/>', "SVG"),
        (b"%PDF-1.7", "a PDF"),
        (b"a letter", "none of JPEG"),
    ],
)
def test_the_reason_says_what_was_saved_as_an_image(content: bytes, kind: str) -> None:
    with pytest.raises(ImageError) as error:
        read_image(content, 16)
    assert f"its content is {kind}" in error.value.reason.replace("a Git", "Git")
