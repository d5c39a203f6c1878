import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facesent.asking.photos import Photo, listed, prepared
from facesent.images.reading import ImageError, read_image

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 30, 3), dtype=np.uint8)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    Image.fromarray(PIXELS).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def test_every_kind_of_photo_is_seen_alike(file: Path) -> None:
    mirrored = np.ascontiguousarray(PIXELS[..., ::-1])[..., ::-1]
    photos = [file, str(file), file.read_bytes(), PIXELS, mirrored, Image.fromarray(PIXELS), Image.open(file)]
    expected = read_image(file.read_bytes(), 16)
    for photo in photos:
        pixels, box = prepared(photo, 16, "none")
        np.testing.assert_array_equal(pixels, expected)
        assert box is None


def test_an_image_of_pillows_is_upright_over_white_and_left_as_it_was() -> None:
    image = Image.new("RGBA", (40, 20), (0, 0, 0, 0))
    exif = Image.Exif()
    exif[0x0112] = 6
    held = io.BytesIO()
    image.save(held, "PNG", exif=exif)
    opened = Image.open(io.BytesIO(held.getvalue()))
    pixels, _ = prepared(opened, 16, "none")
    np.testing.assert_array_equal(pixels, read_image(held.getvalue(), 16))
    assert (pixels == 255).all()
    assert opened.size == (40, 20)


def test_an_image_that_was_made_here_is_no_file_and_has_no_oddities_of_one() -> None:
    # A PNG of so many pixels would have to be decoded whole.
    large = Image.new("RGB", (5_000, 4_000), (10, 200, 30))
    assert prepared(large, 16, "none")[0].tolist() == np.full((16, 16, 3), (10, 200, 30)).tolist()
    red = Image.new("RGB", (40, 20), (250, 5, 5)).convert("CMYK")
    assert (prepared(red, 16, "none")[0][..., 0] > 200).all()


@pytest.mark.parametrize(
    ("photo", "received"),
    [
        (PIXELS.astype(np.float32), r"float32 with the shape \(40, 30, 3\)"),
        (PIXELS[..., 0], r"uint8 with the shape \(40, 30\)"),
        (PIXELS[:0], r"uint8 with the shape \(0, 30, 3\)"),
        (b"", "no bytes"),
        (b"no photo", "no photo"),
        ("nowhere.png", "No such file"),
        (".", "no regular file"),
        (7, "int"),
    ],
    ids=["float", "grey", "empty", "no bytes", "text", "no file", "folder", "number"],
)
def test_what_is_no_photo_is_refused(photo: Photo, received: str) -> None:
    with pytest.raises(ImageError, match=f"Expected .*Received: .*{received}"):
        prepared(photo, 16, "none")


def test_an_image_that_pillow_cannot_read_is_refused(file: Path) -> None:
    with Image.open(file) as closed:
        pass
    with pytest.raises(ImageError, match="Expected a whole image"):
        prepared(closed, 16, "none")


def test_one_photo_needs_no_list(file: Path) -> None:
    assert listed(str(file)) == [str(file)]
    assert listed(file) == [file]
    assert listed(b"123") == [b"123"]
    assert len(listed(PIXELS)) == len(listed(PIXELS[..., 0])) == 1
    assert len(listed(np.stack([PIXELS, PIXELS]))) == 2
    assert listed(path for path in [file, file]) == [file, file]
