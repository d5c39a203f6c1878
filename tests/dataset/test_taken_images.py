"""What validate takes, training reads: of whole photos, of fuzzed ones, and of those whose EXIF block is broken."""

import io
import struct
import zlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from random import Random

import cv2
import numpy as np
import pytest
from PIL import Image
from pyradamsa import Radamsa

from facesent.dataset.measure import Facts, Reading, read_facts
from facesent.images.keeping import decoded_files
from facesent.images.reading import ImageError, decode, read_image

LIMIT = 1_000_000
MUTANTS = 20
BLOCKS = 60
PNG = b"\x89PNG\r\n\x1a\n"


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


@cache
def picture() -> Image.Image:
    """24x20 pixels, so that the fuzzer also meets headers and not pixels only."""
    noise = np.random.default_rng(1).integers(0, 255, (5, 6, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((24, 20), Image.Resampling.BICUBIC)


def exif(orientation: int = 6) -> bytes:
    block = Image.Exif()
    block[0x0112], block[0x010F], block[0x011A] = orientation, "Camera", 72.0
    return block.tobytes()


def photos() -> dict[str, bytes]:
    """One whole file of each kind that is accepted."""
    grey, clear = picture().convert("L"), picture().convert("RGBA")
    clear.putalpha(grey)
    film = {"save_all": True, "append_images": [picture().rotate(90), picture().rotate(180)]}
    deep = np.asarray(picture()).astype(np.uint16) * 257
    palette = picture().quantize(16)
    return {
        "jpeg": encoded(picture(), "JPEG"),
        "jpeg 4:4:4": encoded(picture(), "JPEG", subsampling=0),
        "jpeg progressive": encoded(picture(), "JPEG", progressive=True),
        "jpeg large": encoded(picture().resize((300, 280)), "JPEG", quality=5),
        "jpeg grey": encoded(grey, "JPEG"),
        "jpeg cmyk": encoded(picture().convert("CMYK"), "JPEG"),
        "jpeg exif": encoded(picture(), "JPEG", exif=exif()),
        "mpo": encoded(picture(), "MPO", **film),
        "png": encoded(picture(), "PNG"),
        "png exif": encoded(picture(), "PNG", exif=exif()),
        "png rgba": encoded(clear, "PNG"),
        "png la": encoded(clear.convert("LA"), "PNG"),
        "png palette": encoded(palette, "PNG"),
        "png clear colour": encoded(palette, "PNG", transparency=3),
        "png 1 bit": encoded(grey.convert("1"), "PNG"),
        "png 16 bit grey": encoded(Image.fromarray(deep[:, :, 0]), "PNG"),
        "png 16 bit": cv2.imencode(".png", deep)[1].tobytes(),
        "png film": encoded(picture(), "PNG", **film),
        "webp": encoded(picture(), "WEBP"),
        "webp lossless": encoded(picture(), "WEBP", lossless=True),
        "webp rgba exif": encoded(clear, "WEBP", exif=exif()),
        "webp film": encoded(picture(), "WEBP", **film),
        "bmp": encoded(picture(), "BMP"),
        "bmp palette": encoded(palette, "BMP"),
        "gif": encoded(palette, "GIF"),
        "gif clear film": encoded(palette, "GIF", transparency=3, **film),
    }


def mutants(content: bytes, seed: object, count: int) -> Iterator[bytes]:
    """By radamsa; or some bytes overwritten, which leaves more of them readable."""
    random, radamsa = Random(repr(seed)), Radamsa()  # noqa: S311
    for index in range(count):
        if index % 2:
            yield bytes(radamsa.fuzz(content, seed=random.getrandbits(32)))
        else:
            mutant = bytearray(content)
            for _ in range(random.randint(1, 4)):
                mutant[random.randrange(min(len(content), random.choice([60, 700])))] = random.randrange(256)
            yield with_checksums(bytes(mutant))


def with_checksums(content: bytes) -> bytes:
    """A PNG with right checksums, by which a decoder would know it for damaged; others as they are."""
    if not content.startswith(PNG):
        return content
    mended, start = bytearray(content), len(PNG)
    while start + 12 <= len(content):
        end = start + 8 + struct.unpack_from(">I", content, start)[0]
        if end + 4 > len(content):
            break
        struct.pack_into(">I", mended, end, zlib.crc32(content[start + 4 : end]))
        start = end + 4
    return bytes(mended)


def facts_of(path: Path, content: bytes) -> Facts:
    path.write_bytes(content)
    return read_facts(Reading(str(path)), LIMIT)


def readable(path: Path) -> bool:
    """Whether training, prediction and the server read it; they must agree, and raise nothing but ImageError."""
    content, verdicts = path.read_bytes(), set()
    for read in (
        lambda: read_image(content, 8, max_pixels=LIMIT),
        lambda: read_image(content, 48, max_pixels=LIMIT),
        lambda: decode(content, None, max_pixels=LIMIT),
        lambda: decoded_files([path], 16)[0],
    ):
        try:
            read()
            verdicts.add(True)
        except ImageError:
            verdicts.add(False)
    assert len(verdicts) == 1
    return verdicts.pop()


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("name", photos())
def test_what_validate_takes_training_reads(tmp_path: Path, name: str) -> None:
    content = photos()[name]
    path = tmp_path / "photo"
    luma = cv2.cvtColor(decode(content, None), cv2.COLOR_RGB2GRAY)
    assert facts_of(path, content).brightness == pytest.approx(luma.mean(), abs=1)
    assert readable(path)
    for mutant in mutants(content, name, MUTANTS):
        facts = facts_of(path, mutant)
        if not (facts.reason or "").startswith("over "):
            assert facts.ok == readable(path), facts


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_broken_exif_block_makes_no_photo_unreadable(tmp_path: Path, kind: str) -> None:
    stored = decode(encoded(picture(), kind), None)
    turned = 0
    for block in mutants(exif(), kind, BLOCKS):
        content = encoded(picture(), kind, exif=block)
        facts = facts_of(tmp_path / "photo", content)
        assert facts.ok, facts
        assert readable(tmp_path / "photo")
        turned += decode(content, None).shape != stored.shape
    assert 0 < turned < BLOCKS
