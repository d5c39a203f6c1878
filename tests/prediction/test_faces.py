import io
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from facesent.images.reading import ImageError, Pixels, read_image
from facesent.prediction.faces import Box, crop_to, largest_face, read_cropped, read_face
from facesent.sources.drawn_faces.portrait import draw_portrait
from tests.helpers import memory

pytestmark = pytest.mark.slow
# Drawn people whose faces the detector takes for those of people.
PERSONS = (4, 5, 8)


def photo(*faces: tuple[int, int, int, int], width: int = 400, height: int = 300) -> Pixels:
    """A grey picture with portraits: (person, left, top, side)."""
    pixels = np.full((height, width, 3), 90, np.uint8)
    for person, left, top, side in faces:
        portrait = Image.fromarray(draw_portrait(7, person, 1, "Neutral", 160)).resize((side, side))
        pixels[top : top + side, left : left + side] = np.asarray(portrait)
    return pixels


def encoded(pixels: Pixels, image_format: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, image_format, **options)
    return buffer.getvalue()


def overlap(box: Box, left: int, top: int, side: int) -> float:
    """The share of ``box`` that lies in a square."""
    width = min(box.left + box.width, left + side) - max(box.left, left)
    height = min(box.top + box.height, top + side) - max(box.top, top)
    return max(0, width) * max(0, height) / (box.width * box.height)


@pytest.mark.parametrize("person", PERSONS)
@pytest.mark.parametrize(("left", "top"), [(150, 60), (0, 0), (240, 140)])
def test_a_face_is_found_where_it_is(person: int, left: int, top: int) -> None:
    box = largest_face(photo((person, left, top, 160)))
    assert box
    assert overlap(box, left, top, 160) > 0.9
    assert box.width > 50
    assert box.height > 70


def test_the_box_is_in_the_pixels_of_the_photo() -> None:
    small = photo((4, 150, 60, 160))
    large = np.asarray(Image.fromarray(small).resize((2000, 1500), Image.Resampling.BICUBIC))
    near, far = largest_face(small), largest_face(large)
    assert near
    assert far
    for side in ("left", "top", "width", "height"):
        assert getattr(far, side) == pytest.approx(5 * getattr(near, side), abs=40)


@memory.counted
def test_in_the_largest_photo_a_face_is_found_with_little_memory() -> None:
    small = photo((4, 150, 60, 160))
    near = largest_face(small)
    content = encoded(np.asarray(Image.fromarray(small).resize((8160, 6120), Image.Resampling.BICUBIC)), "JPEG")
    found: list[Box | None] = []
    assert memory.added(lambda: found.append(read_face(content, 224)[1])) < 400
    [far] = found
    assert near
    assert far
    for side in ("left", "top", "width", "height"):
        assert getattr(far, side) == pytest.approx(20.4 * getattr(near, side), abs=160)


def test_the_largest_of_two_faces_is_taken() -> None:
    box = largest_face(photo((4, 0, 20, 120), (5, 180, 60, 220)))
    assert box
    assert overlap(box, 180, 60, 220) > 0.9


@pytest.mark.parametrize("shape", [(1, 1), (1, 3000), (3000, 1), (7, 5), (300, 400)])
def test_where_there_is_no_face_none_is_found(shape: tuple[int, int]) -> None:
    assert largest_face(np.full((*shape, 3), 90, np.uint8)) is None


def test_the_crop_is_a_square_around_the_face_that_stays_in_the_photo() -> None:
    rows, columns = np.mgrid[:100, :200]
    pixels = np.stack([rows, columns, rows], axis=-1).astype(np.uint8)
    inside = crop_to(pixels, Box(left=80, top=20, width=40, height=60))
    assert inside.shape == (60, 60, 3)
    assert inside[0, 0].tolist() == [20, 70, 20]
    assert crop_to(pixels, Box(left=0, top=30, width=30, height=60)).shape == (60, 45, 3)
    assert crop_to(pixels, Box(left=150, top=0, width=50, height=20)).shape == (35, 50, 3)


def test_the_face_alone_is_what_the_network_sees() -> None:
    pixels = photo((4, 150, 60, 160))
    seen, box = read_face(encoded(pixels), 48)
    assert box
    assert seen.shape == (48, 48, 3)
    assert (seen == read_image(encoded(np.ascontiguousarray(crop_to(pixels, box))), 48)).all()


def test_a_rotated_photo_is_upright_before_a_face_is_looked_for() -> None:
    pixels = photo((4, 150, 60, 160))
    exif = Image.Exif()
    exif[0x0112] = 6
    _, rotated = read_face(encoded(np.ascontiguousarray(np.rot90(pixels)), exif=exif), 48)
    assert rotated == largest_face(pixels)


def test_without_a_face_the_whole_photo_is_read() -> None:
    content = encoded(np.random.default_rng(1).integers(0, 255, (300, 400, 3), dtype=np.uint8), "JPEG")
    seen, box = read_face(content, 48)
    assert box is None
    assert (seen == read_image(content, 48)).all()


def test_the_face_or_the_whole_photo_is_read_as_asked_for() -> None:
    content = encoded(photo((4, 150, 60, 160)))
    seen, box = read_cropped(content, 48, "largest")
    assert box
    assert (seen == read_face(content, 48)[0]).all()
    whole, none = read_cropped(content, 48, "none")
    assert none is None
    assert (whole == read_image(content, 48)).all()


def test_who_looks_for_a_face_hears_nothing_from_tensorflow() -> None:
    code = (
        "import numpy as np\n"
        "from facesent.prediction.faces import largest_face\n"
        "largest_face(np.full((300, 400, 3), 90, np.uint8))\n"
    )
    unset = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run([sys.executable, "-c", code], env=unset, capture_output=True, text=True, check=True)
    assert done.stderr == ""


def test_what_is_no_photo_is_refused() -> None:
    with pytest.raises(ImageError, match="Expected a JPEG"):
        read_face(b"a text", 48)
    with pytest.raises(ImageError, match="at most 1000 pixels"):
        read_face(encoded(photo()), 48, max_pixels=1000)
