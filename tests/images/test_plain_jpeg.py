"""Pillow is the judge of what a JPEG shows and of whether it is taken; here of all kinds of them."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from facesent.images.plain_jpeg import decode_plain
from facesent.images.reading import ImageError, decode, opened

SIDES = (None, 224, 50)
SIZES = [(350, 300), (449, 448), (101, 333), (17, 16), (9, 7), (1, 1)]


def picture(width: int = 350, height: int = 300) -> Image.Image:
    """Colours that change slowly, with noise."""
    chance = np.random.default_rng(width * height)
    slow = chance.integers(0, 256, (max(2, height // 9), max(2, width // 9), 3)).astype(np.float32)
    noisy = cv2.resize(slow, (width, height), interpolation=cv2.INTER_CUBIC) + chance.normal(0, 9, (height, width, 3))
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


def encoded(image: Image.Image, image_format: str = "JPEG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


def sampled(image: Image.Image, factors: int) -> bytes:
    """With the sampling factors of the three colours as six hexadecimal digits, which Pillow writes fewer of."""
    _, content = cv2.imencode(".jpg", np.asarray(image), [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, factors])
    return content.tobytes()


PLAIN = {
    "4:2:0": lambda image: encoded(image, subsampling="4:2:0"),
    "4:2:2": lambda image: encoded(image, subsampling="4:2:2"),
    "4:4:4": lambda image: encoded(image, subsampling="4:4:4"),
    "4:4:0": lambda image: sampled(image, 0x121111),
    "4:1:1": lambda image: sampled(image, 0x411111),
    "coarse": lambda image: encoded(image, quality=5),
    "fine": lambda image: encoded(image, quality=100),
    "grey": lambda image: encoded(image.convert("L")),
    "progressive": lambda image: encoded(image, progressive=True),
    "restart markers": lambda image: encoded(image, restart_marker_blocks=3),
    "followed by others": lambda image: encoded(image, "MPO", save_all=True, append_images=[picture(40, 30)]),
    "followed by anything": lambda image: encoded(image) + b"anything" * 99,
}


def turned(image: Image.Image) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(image, exif=exif)


def with_sof(content: bytes, offset: int, value: bytes) -> bytes:
    """With other bytes in the header of the frame."""
    start = content.index(b"\xff\xc0") + offset
    return content[:start] + value + content[start + len(value) :]


def two_headers(content: bytes) -> bytes:
    """Of which the second claims a huge picture."""
    start = content.index(b"\xff\xc0")
    header = content[start : start + 19]
    return content[:start] + header + header[:5] + b"\xff\0\xff\0" + header[9:] + content[start + 19 :]


UNUSUAL = {
    "turned": turned,
    "CMYK": lambda image: encoded(image.convert("CMYK")),
    "odd sampling": lambda image: with_sof(encoded(image), 11, b"\x31"),
    "garbage in the header": lambda image: encoded(image).replace(b"\xff\xc0", b"abc\xff\xc0", 1),
    "arithmetic coding": lambda image: with_sof(encoded(image), 1, b"\xc9"),
    "12 bits": lambda image: with_sof(encoded(image), 4, b"\x0c"),
    "no height": lambda image: with_sof(encoded(image), 5, b"\0\0"),
    "taller than stored": lambda image: with_sof(encoded(image), 5, b"\2\0"),
    "two headers": lambda image: two_headers(encoded(image)),
    "half": lambda image: encoded(image)[: len(encoded(image)) // 2],
    "half, ended": lambda image: encoded(image)[: len(encoded(image)) // 2] + b"\xff\xd9",
    "half, progressive": lambda image: encoded(image, progressive=True)[:-2000],
    "end missing": lambda image: encoded(image)[:-2],
}


def by_pillow(content: bytes, side: int | None) -> np.ndarray | str:
    try:
        with opened(content) as photo:
            return np.asarray(photo.seen("RGB", side)).astype(int)
    except ImageError as error:
        return str(error)


def by_us(content: bytes, side: int | None) -> np.ndarray | str:
    try:
        return decode(content, side).astype(int)
    except ImageError as error:
        return str(error)


def same(content: bytes, side: int | None) -> bool:
    """Whether it is refused in the same words, or gives the same pixels within 1."""
    ours, pillows = by_us(content, side), by_pillow(content, side)
    if isinstance(ours, str) or isinstance(pillows, str):
        return isinstance(ours, str) and isinstance(pillows, str) and ours == pillows
    return ours.shape == pillows.shape and np.abs(ours - pillows).max() <= 1


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("kind", [*PLAIN, *UNUSUAL])
def test_every_kind_gives_what_pillow_gives(kind: str, side: int | None) -> None:
    make = (PLAIN | UNUSUAL)[kind]
    assert all(same(make(picture(*size)), side) for size in SIZES)


@pytest.mark.parametrize("kind", PLAIN)
def test_a_plain_one_is_not_left_to_pillow(kind: str) -> None:
    content = PLAIN[kind](picture(350, 300))
    assert decode_plain(content, (350, 300), (350, 300)).shape == (300, 350, 3)
    assert decode_plain(content, (350, 300), (88, 75)).shape == (75, 88, 3)


@pytest.mark.parametrize("kind", [kind for kind in UNUSUAL if kind != "turned"])
def test_whatever_the_decoder_minds_is_left_to_pillow(kind: str) -> None:
    assert decode_plain(UNUSUAL[kind](picture(350, 300)), (350, 300), (350, 300)) is None


def test_a_header_that_the_decoder_reads_otherwise_costs_no_memory() -> None:
    """The sides that were found acceptable may not be those that it would make room for."""
    huge = with_sof(encoded(picture()), 5, b"\xff\0\xff\0")
    assert decode_plain(huge, (350, 300), (350, 300)) is None


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_what_is_broken_anywhere_is_taken_or_refused_as_by_pillow() -> None:
    chance = np.random.default_rng(3)
    contents = [make(picture(90, 70)) for make in PLAIN.values()]
    for _ in range(400):
        content = bytearray(contents[chance.integers(len(contents))])
        # Half of them in the headers, which are short.
        start = int(chance.integers(len(content) if chance.integers(2) else 700))
        gone, put = chance.integers(0, 3, 2)
        content[start : start + gone] = chance.bytes(put)
        assert same(bytes(content), None)
        assert same(bytes(content), 30)
