import io
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from PIL.Image import Transpose

from facesent.images.reading import ImageError, decode, read_image, read_images
from tests.helpers import memory


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


# How a camera stores an upright picture under each EXIF orientation.
STORED = {
    1: None,
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_90,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_270,
}


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP"])
def test_every_exif_rotation_is_applied(image_format: str, orientation: int) -> None:
    corners = np.array([[[200, 0, 0], [0, 200, 0]], [[0, 0, 200], [200, 200, 200]]], np.uint8)
    upright = Image.fromarray(corners.repeat(16, axis=0).repeat(24, axis=1))
    method = STORED[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = upright if method is None else upright.transpose(method)
    pixels = decode(encoded(stored, image_format, exif=exif), None)
    assert pixels.shape == (32, 48, 3)
    assert np.abs(pixels[[[8], [24]], [[12, 36]]].astype(int) - corners).max() < 16


# Two blocks that phones and editors were seen to write.
NO_TIFF = b"Exif\0\0\0\x08\0\x02\x01\x12\0\x03"
ORIENTATION, NEGATIVE_WIDTH = (0x112, 3, 1, 6, 0), (0x100, 8, 1, -1, 0)
TURNED = b"Exif\0\0II*\0" + struct.pack("<IHHHIhhHHIhhI", 8, 2, *ORIENTATION, *NEGATIVE_WIDTH, 0)


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize(("block", "shape"), [(NO_TIFF, (40, 60, 3)), (TURNED, (60, 40, 3))])
def test_of_a_broken_exif_block_what_can_be_read_is_used(image_format: str, block: bytes, shape: tuple[int]) -> None:
    assert decode(encoded(gradient(), image_format, exif=block), None).shape == shape


def test_a_progressive_jpeg_is_the_same_picture() -> None:
    plain, progressive = (encoded(gradient(), "JPEG", progressive=choice) for choice in (False, True))
    assert plain != progressive
    assert (read_image(plain, 16) == read_image(progressive, 16)).all()


def cmyk_jpeg(*, adobe: bool) -> bytes:
    """Orange in four inks: inverted, as Adobe's programs write it, or as it is, without their mark."""
    image = Image.new("CMYK", (16, 16), (0, 100, 220, 20))
    if adobe:
        return encoded(image, "JPEG")
    content = bytearray(encoded(image.point(lambda ink: 255 - ink), "JPEG"))
    start = content.index(b"\xff\xee")
    length = struct.unpack(">H", content[start + 2 : start + 4])[0]
    return bytes(content[:start] + content[start + 2 + length :])


@pytest.mark.parametrize("adobe", [True, False])
def test_cmyk_has_its_colours_inverted_or_not(adobe: bool) -> None:
    red, green, blue = read_image(cmyk_jpeg(adobe=adobe), 8)[4, 4].astype(int)
    assert abs(red - 235) < 12
    assert abs(green - 143) < 12
    assert abs(blue - 32) < 12


@pytest.mark.parametrize("alpha", [False, True])
def test_16_bits_a_colour_keep_the_upper_8(alpha: bool) -> None:
    colour = [51_200, 25_600, 12_800, *[65_535] * alpha]
    picture = np.tile(np.array(colour, np.uint16), (9, 9, 1))
    _, content = cv2.imencode(".png", picture)
    blue, green, red = (value >> 8 for value in colour[:3])
    assert np.abs(read_image(content.tobytes(), 9).astype(int) - [red, green, blue]).max() <= 1


def test_16_bits_of_grey_keep_the_upper_8() -> None:
    """As of colours: divided by 257, it would be 199."""
    assert read_image(encoded(Image.fromarray(np.full((9, 9), 51_399, np.uint16)), "PNG"), 9).max() == 200


def test_a_palette_may_have_a_transparent_colour() -> None:
    image = Image.new("P", (8, 8), 1)
    image.putpalette([0, 0, 0, 200, 40, 0])
    assert read_image(encoded(image, "PNG"), 8)[0, 0].tolist() == [200, 40, 0]
    assert read_image(encoded(image, "PNG", transparency=1), 8).min() == 255


@pytest.mark.parametrize("image_format", ["GIF", "WEBP", "PNG"])
def test_of_a_film_the_first_frame_is_read(image_format: str) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue", "lime")]
    content = encoded(frames[0], image_format, save_all=True, append_images=frames[1:])
    red, green, blue = read_image(content, 8)[4, 4]
    assert red > 200
    assert max(green, blue) < 60


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


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty file"),
        (b"text", "not an image: its content is none of JPEG, PNG, WEBP, BMP, GIF"),
        (encoded(gradient(), "PNG"), "over 1000 pixels"),
        (encoded(gradient(), "BMP")[:-900], "truncated"),
        (b"\xff\xd8\xff\xe0", "broken, truncated or unusual JPEG"),
        (encoded(gradient(), "PNG")[:12], "broken, truncated or unusual PNG"),
    ],
)
def test_the_reason_fits_into_a_table(content: bytes, reason: str) -> None:
    with pytest.raises(ImageError) as error:
        read_image(content, 16, max_pixels=1000 if reason.startswith("over") else 10_000)
    assert error.value.reason == reason


def test_too_many_pixels_are_refused_before_decoding() -> None:
    with pytest.raises(ImageError, match=r"at most 1000 pixels.*60x40"):
        read_image(encoded(gradient(), "PNG"), 16, max_pixels=1000)


@memory.counted
@pytest.mark.slow
@pytest.mark.parametrize(
    ("mode", "image_format", "side", "options"),
    [
        ("RGB", "JPEG", 7071, {}),
        pytest.param("RGB", "JPEG", 7071, {"progressive": True}, marks=pytest.mark.long),
        pytest.param("RGBA", "WEBP", 4000, {"lossless": True, "method": 0}, marks=pytest.mark.long),
        pytest.param("RGBA", "PNG", 4000, {"compress_level": 1}, marks=pytest.mark.long),
    ],
)
def test_the_largest_photo_takes_less_than_400_megabytes(
    mode: str, image_format: str, side: int, options: dict[str, object]
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    content = encoded(Image.new(mode, (side, side)), image_format, exif=exif, **options)
    assert memory.added(lambda: read_image(content, 224)) < 400


def test_only_of_a_jpeg_so_many_pixels_are_taken() -> None:
    image = Image.new("L", (4001, 4000))
    assert read_image(encoded(image, "JPEG"), 16).shape == (16, 16, 3)
    with pytest.raises(ImageError, match=r"at most 16000000 pixels\. Received: 4001x4000 as PNG"):
        read_image(encoded(image, "PNG", compress_level=1), 16)


def test_a_header_that_claims_a_huge_image_is_refused() -> None:
    content = bytearray(encoded(Image.new("L", (1, 1)), "PNG"))
    content[16:24] = (20_000).to_bytes(4, "big") * 2
    with pytest.raises(ImageError):
        read_image(bytes(content), 16)


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def with_sides(content: bytes, width: int, height: int) -> bytes:
    """A PNG whose header claims other sides, with the right checksum."""
    header = struct.pack(">II", width, height) + content[24:29]
    return content[:8] + png_chunk(b"IHDR", header) + content[33:]


@pytest.mark.parametrize("sides", [(0, 5), (5, 0), (0, 0)])
def test_zero_size_is_refused(sides: tuple[int, int]) -> None:
    with pytest.raises(ImageError):
        read_image(with_sides(encoded(Image.new("L", (5, 5)), "PNG"), *sides), 16)
    gif = bytearray(encoded(Image.new("L", (5, 5)), "GIF"))
    gif[6:10] = struct.pack("<HH", *sides)
    frame = gif.index(b",")
    gif[frame + 5 : frame + 9] = struct.pack("<HH", *sides)
    with pytest.raises(ImageError):
        read_image(bytes(gif), 16)


def test_a_large_colour_profile_is_no_reason_to_refuse_a_picture() -> None:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), "teal").save(file, "PNG", icc_profile=bytes(4 << 20))
    assert (read_image(file.getvalue(), 8) == np.array((0, 128, 128), np.uint8)).all()


@pytest.mark.parametrize(("kind", "start"), [(b"zTXt", b"x\0\0"), (b"iTXt", b"x\0\1\0\0\0"), (b"iCCP", b"x\0\0")])
def test_a_chunk_that_unpacks_to_hundreds_of_megabytes_is_refused(kind: bytes, start: bytes) -> None:
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(1_000_000)) for _ in range(200)) + packer.flush()
    content = encoded(Image.new("L", (5, 5)), "PNG")
    with pytest.raises(ImageError, match="broken"):
        read_image(content[:33] + png_chunk(kind, start + packed) + content[33:], 16)


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
