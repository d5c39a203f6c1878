import io
import warnings
from functools import cache
from pathlib import Path

import cv2
import imagehash
import numpy as np
import pytest
from PIL import Image, ImageOps

from facesent.dataset.measure import Facts, Reading, perceptual_hashes, read_facts
from facesent.images.reading import ImageError, read_image
from facesent.sources.drawn_faces.portrait import draw_portrait

LIMIT = 10_000_000


def measured(path: Path) -> Facts:
    return read_facts(Reading(str(path)), LIMIT)


@cache
def portrait(person: int, size: tuple[int, int]) -> Image.Image:
    drawn = Image.fromarray(draw_portrait(7, person, 1, "Happy", 128))
    return drawn.resize(size, Image.Resampling.BICUBIC)


@pytest.mark.parametrize("suffix", ["jpg", "png"])
@pytest.mark.parametrize("size", [(48, 48), (128, 128), (350, 300), (1300, 1100)])
def test_light_is_that_of_the_whole_picture(tmp_path: Path, size: tuple[int, int], suffix: str) -> None:
    """The fast path against the plain one: all pixels, converted by Pillow, in floating point."""
    path = tmp_path / f"a.{suffix}"
    portrait(0, size).save(path)
    facts = measured(path)

    with Image.open(path) as image:
        luma = np.asarray(image.convert("L"), np.float64)
    assert facts.brightness == pytest.approx(luma.mean(), abs=0.5)
    assert facts.contrast == pytest.approx(luma.std(), rel=0.02)
    if min(size) < 256:
        assert facts.sharpness == pytest.approx(cv2.Laplacian(luma, cv2.CV_64F).var(), rel=0.1)


def test_sharpness_falls_with_blur_and_hardly_depends_on_the_format(tmp_path: Path) -> None:
    sharp, soft = portrait(1, (350, 300)), portrait(1, (40, 34)).resize((350, 300))
    for name, image in (("sharp.png", sharp), ("sharp.jpg", sharp), ("soft.png", soft)):
        image.save(tmp_path / name, quality=95)
    names = ("sharp.png", "sharp.jpg", "soft.png")
    png, jpeg, blurred = (float(measured(tmp_path / name).sharpness or 0) for name in names)

    assert blurred < png / 3
    assert jpeg == pytest.approx(png, rel=0.2)


def shrunken(luma: Image.Image) -> Image.Image:
    return luma.resize((32, 32), Image.Resampling.LANCZOS, reducing_gap=2)


def test_the_hash_is_imagehash_s_of_the_shrunken_picture_bit_for_bit() -> None:
    random = np.random.default_rng(0)
    noise = [random.integers(0, 256, random.integers(8, 200, 2), dtype=np.uint8) for _ in range(300)]
    flat = [np.full((40, 40), value, np.uint8) for value in (0, 100, 255)]
    drawn = [portrait(person, size).convert("L") for person in range(8) for size in ((48, 48), (128, 128), (350, 300))]
    for luma in [*map(Image.fromarray, [*noise, *flat]), *drawn]:
        assert perceptual_hashes(luma)[0] == str(imagehash.phash(shrunken(luma)))


def test_shrinking_in_two_steps_hardly_changes_the_hash() -> None:
    bits = []
    for person in range(8):
        for size in ((60, 50), (128, 128), (350, 300), (1000, 900)):
            luma = portrait(person, size).convert("L")
            bits.append(imagehash.hex_to_hash(perceptual_hashes(luma)[0]) - imagehash.phash(luma))
    assert max(bits) <= 4
    assert np.mean(bits) < 0.5


def test_a_colour_jpeg_s_luma_is_as_pillow_converts_it_within_rounding(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    portrait(2, (100, 100)).save(path, quality=90)
    with Image.open(path) as image:
        plain = np.asarray(image.convert("L"), np.float64)
    assert measured(path).brightness == pytest.approx(plain.mean(), abs=0.2)


def test_known_content_is_hashed_only(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    portrait(0, (48, 48)).save(path)
    whole = measured(path)
    known = read_facts(Reading(str(path), [str(whole.sha256)]), LIMIT)

    assert known == Facts(bytes=path.stat().st_size, sha256=whole.sha256)
    assert read_facts(Reading(str(path), ["0" * 64]), LIMIT) == whole


def test_a_progressive_or_cut_jpeg_is_read_as_far_as_a_plain_decoder_would(tmp_path: Path) -> None:
    stream = io.BytesIO()
    portrait(3, (700, 600)).save(stream, "JPEG", progressive=True)
    (tmp_path / "whole.jpg").write_bytes(stream.getvalue())
    (tmp_path / "cut.jpg").write_bytes(stream.getvalue()[:-300])

    assert measured(tmp_path / "whole.jpg").ok
    assert measured(tmp_path / "cut.jpg").reason == "truncated"


def test_colours_under_transparency_are_not_measured(tmp_path: Path) -> None:
    hidden = portrait(4, (60, 60)).convert("RGBA")
    hidden.putalpha(0)
    hidden.save(tmp_path / "hidden.png")
    Image.new("RGB", (60, 60), "white").save(tmp_path / "white.png")
    light = [measured(tmp_path / name)[6:10] for name in ("hidden.png", "white.png")]
    assert light[0] == light[1]


def test_a_photo_on_its_side_is_measured_upright(tmp_path: Path) -> None:
    upright, exif = portrait(5, (60, 40)), Image.Exif()
    exif[0x0112] = 6
    upright.save(tmp_path / "upright.png")
    upright.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "stored.png", exif=exif)
    expected, facts = measured(tmp_path / "upright.png"), measured(tmp_path / "stored.png")
    assert facts[6:10] == expected[6:10]
    assert (facts.width, facts.height) == (40, 60)


@pytest.mark.parametrize("samplings", [(0x11, 0x12, 0x13), (0x21, 0x31, 0x11), (0x22, 0x11, 0x11), (0x00, 0x11, 0x11)])
def test_a_jpeg_passes_only_if_its_colours_can_be_decoded_too(tmp_path: Path, samplings: tuple[int, ...]) -> None:
    """libjpeg gives the luma alone of some files whose colours it refuses."""
    stream = io.BytesIO()
    portrait(6, (100, 100)).save(stream, "JPEG", subsampling=0)
    content = bytearray(stream.getvalue())
    first = content.index(b"\xff\xc0") + 11
    content[first : first + 9 : 3] = samplings
    (tmp_path / "a.jpg").write_bytes(content)
    assert measured(tmp_path / "a.jpg").ok == _is_read(bytes(content))


def _is_read(content: bytes) -> bool:
    try:
        read_image(content, 32)
    except ImageError:
        return False
    return True


def test_what_pillow_warns_of_is_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    portrait(0, (48, 48)).save(path, exif=b"Exif\0\0II*\0\x0f\x27\0\0")
    with pytest.warns(UserWarning, match="EXIF"):
        read_image(path.read_bytes(), 32)
    with warnings.catch_warnings(record=True) as shown:
        assert measured(path).ok
    assert shown == []


@pytest.mark.parametrize("seed", range(5))
def test_the_hash_of_the_mirror_image_is_known_without_mirroring(seed: int) -> None:
    coarse = np.random.default_rng(seed).integers(0, 256, (9, 9), dtype=np.uint8)
    luma = Image.fromarray(coarse).resize((200, 170), Image.Resampling.BICUBIC)
    (one, mirrored), (other, back) = perceptual_hashes(luma), perceptual_hashes(ImageOps.mirror(luma))
    assert one != other
    assert (int(mirrored, 16) ^ int(other, 16)).bit_count() <= 2
    assert (int(back, 16) ^ int(one, 16)).bit_count() <= 2
