import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facesent.data.images import ImageError, read_image, read_images


def encoded(image: Image.Image, image_format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


def gradient(width: int = 60, height: int = 40) -> Image.Image:
    rows = np.linspace(0, 255, height)[:, None, None] * np.ones((1, width, 3))
    return Image.fromarray(rows.astype(np.uint8))


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "BMP", "GIF"])
def test_every_format_gives_the_same_picture(image_format: str) -> None:
    pixels = read_image(encoded(gradient(), image_format), 16)
    assert pixels.shape == (16, 16, 3)
    assert pixels.dtype == np.uint8
    expected = np.linspace(8, 247, 16)[:, None, None]
    assert np.abs(pixels.astype(float) - expected).max() < 12


@pytest.mark.parametrize("mode", ["L", "P", "1", "CMYK", "RGBA", "LA", "I;16"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    if mode == "I;16":
        image = Image.fromarray(np.full((20, 20), 60000, np.uint16))
    else:
        image = Image.new("RGB", (20, 20), "white").convert(mode)
    pixels = read_image(encoded(image, "JPEG" if mode == "CMYK" else "PNG"), 20)
    assert pixels.shape == (20, 20, 3)
    assert pixels.min() > 200


def test_transparent_pixels_are_white() -> None:
    assert read_image(encoded(Image.new("RGBA", (9, 9), (0, 0, 0, 0)), "PNG"), 9).min() == 255


def test_exif_rotation_is_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 3
    upside_down = read_image(encoded(gradient(), "JPEG", exif=exif), 16)
    assert upside_down[0].mean() > upside_down[-1].mean()


def test_a_large_jpeg_scaled_while_decoding_looks_like_the_whole_one() -> None:
    large = gradient(1600, 1200)
    quick = read_image(encoded(large, "JPEG", quality=95), 64).astype(float)
    plain = read_image(encoded(large, "PNG"), 64).astype(float)
    assert np.abs(quick - plain).max() < 6


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no bytes"),
        (b"hello, I am a text file", "Expected a JPEG"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "Expected a JPEG"),
    ],
)
def test_what_is_no_image_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        read_image(content, 16)


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP"])
def test_a_truncated_image_is_refused(image_format: str) -> None:
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 255, (64, 64, 3), dtype=np.uint8))
    content = encoded(noise, image_format)
    with pytest.raises(ImageError, match="truncated"):
        read_image(content[: len(content) * 2 // 3], 16)


def test_too_many_pixels_are_refused_before_decoding() -> None:
    with pytest.raises(ImageError, match=r"at most 1000 pixels.*60x40"):
        read_image(encoded(gradient(), "PNG"), 16, max_pixels=1000)


def test_a_header_that_claims_a_huge_image_is_refused() -> None:
    content = bytearray(encoded(Image.new("L", (1, 1)), "PNG"))
    content[16:24] = (20_000).to_bytes(4, "big") * 2
    with pytest.raises(ImageError):
        read_image(bytes(content), 16)


def test_many_files_keep_their_order(tmp_path: Path) -> None:
    paths = []
    for value in range(25):
        paths.append(tmp_path / f"{value}.png")
        Image.new("L", (8, 8), value * 10).save(paths[-1])
    done: list[tuple[int, int]] = []
    images = read_images(paths, 8, progress=lambda *amount: done.append(amount))
    assert done[-1] == (25, 25)
    assert [int(image.mean()) for image in images] == [value * 10 for value in range(25)]


def test_images_over_the_memory_budget_are_mapped(tmp_path: Path) -> None:
    path = tmp_path / "grey.png"
    Image.new("L", (8, 8), 77).save(path)
    mapped = read_images([path, path], 8, budget=100, spill=tmp_path)
    assert isinstance(mapped, np.memmap)
    assert list(tmp_path.iterdir()) == [path]
    assert mapped.min() == mapped.max() == 77


def test_a_bad_file_among_many_is_named(tmp_path: Path) -> None:
    path = tmp_path / "bad.jpg"
    path.write_bytes(b"no")
    with pytest.raises(ImageError, match=r"bad\.jpg"):
        read_images([path], 8)
