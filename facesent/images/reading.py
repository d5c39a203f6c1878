"""From the bytes of an image file to the square array that a model takes.

Training, batch prediction and serving all read images here, so that they see the same pixels.
"""

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageOps, UnidentifiedImageError

from facesent.core.errors import FacesentError
from facesent.images.spill import MEMORY_BUDGET, pixel_array
from facesent.images.threads import image_threads

Pixels = NDArray[np.uint8]


Progress = Callable[[int, int], None]


FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF")


MAX_PIXELS = 50_000_000


_CHUNK = 16


class ImageFile(Protocol):
    """Where the bytes of an image come from, such as a path; as text it is its name."""

    def read_bytes(self) -> bytes:
        """The whole content."""


class ImageError(FacesentError):
    """The bytes are no image that can be read; the message says what was expected and received."""


def read_image(content: bytes, size: int, *, max_pixels: int = MAX_PIXELS) -> Pixels:
    """Decode untrusted ``content`` and resize it to a square.

    Args:
        content: a whole JPEG, PNG, WEBP, BMP or GIF (its first frame) file.
        size: side of the result in pixels; the aspect ratio is not kept.
        max_pixels: larger images are refused by their header, before they are decoded.

    Returns:
        RGB, ``(size, size, 3)``, 0..255.

    Raises:
        ImageError: empty, not an image, truncated, or over ``max_pixels``.
    """
    return resize(decode(content, size, max_pixels=max_pixels), size)


def resize(pixels: Pixels, size: int) -> Pixels:
    """Resize RGB ``(height, width, 3)`` to a square of ``size`` pixels; the aspect ratio is not kept."""
    shrinks = min(pixels.shape[:2]) > size
    resized = cv2.resize(pixels, (size, size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return np.asarray(resized, dtype=np.uint8)


def decode(content: bytes, size: int | None, *, max_pixels: int = MAX_PIXELS) -> Pixels:
    """Decode untrusted ``content``, upright and over white.

    Args:
        content: as for ``read_image``.
        size: side that is needed: a JPEG of twice that or more is decoded at 1/2, 1/4 or 1/8. None for every pixel.
        max_pixels: as for ``read_image``.

    Returns:
        RGB, ``(height, width, 3)``, 0..255, read-only.

    Raises:
        ImageError: as ``read_image``.
    """
    if not content:
        raise ImageError("Expected an image file. Received: no bytes.")
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            return np.asarray(_decode(image, size, max_pixels))
    except ImageError:
        raise
    except UnidentifiedImageError:
        raise ImageError(f"Expected a {', '.join(FORMATS)} image. Received: {_preview(content)}") from None
    except Image.DecompressionBombError:
        raise ImageError(f"Expected at most {max_pixels} pixels. Received: a header that claims far more.") from None
    except MemoryError:
        raise
    except Exception as error:
        # Pillow's decoders raise nearly anything on a broken file, and what they raise changes between its versions.
        raise ImageError(f"Expected a whole image. Received: a broken or truncated one ({error}).") from None


def read_images(
    paths: Sequence[ImageFile],
    size: int,
    *,
    budget: int = MEMORY_BUDGET,
    spill: Path | None = None,
    progress: Progress | None = None,
) -> Pixels:
    """Read many files with all cores.

    Args:
        paths: image files.
        size: side of the results in pixels.
        budget: bytes; a larger result is mapped to an unnamed file.
        spill: folder of that file; by default the system's.
        progress: called with the images done and their number.

    Returns:
        ``(len(paths), size, size, 3)``.

    Raises:
        ImageError: naming the file.
        SpillError: the disk is full.
    """
    images = pixel_array((len(paths), size, size, 3), spill, budget=budget)

    def read(chunk: range) -> int:
        for index in chunk:
            with naming(paths[index]):
                images[index] = read_image(paths[index].read_bytes(), size)
        return chunk.stop

    # Passing each picture alone from thread to thread would cost a good part of its decoding.
    chunks = (range(start, min(start + _CHUNK, len(paths))) for start in range(0, len(paths), _CHUNK))
    with image_threads() as pool:
        for done in pool.map(read, chunks):
            if progress:
                progress(done, len(paths))
    return images


@contextmanager
def naming(path: ImageFile) -> Iterator[None]:
    """Put the file's name before an ImageError."""
    try:
        yield
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from None


def _decode(image: Image.Image, size: int | None, max_pixels: int) -> Image.Image:
    width, height = image.size
    if not 0 < width * height <= max_pixels:
        raise ImageError(f"Expected at least 1 and at most {max_pixels} pixels. Received: {width}x{height}.")
    if size:
        image.draft("RGB", (size, size))
    image.load()
    ImageOps.exif_transpose(image, in_place=True)
    if image.format == "JPEG" and image.mode == "CMYK" and "adobe" not in image.info:
        # Pillow takes all for Adobe's, which are stored inverted.
        image = ImageChops.invert(image)
    if image.mode.startswith("I;16") or image.mode == "I":
        image = _from_16_bit(image)
    if image.mode in {"RGBA", "LA", "PA"} or "transparency" in image.info:
        image = _over_white(image.convert("RGBA"))
    # Pillow would copy what is RGB already.
    return image if image.mode == "RGB" else image.convert("RGB")


def _from_16_bit(image: Image.Image) -> Image.Image:
    return Image.fromarray((np.asarray(image, dtype=np.uint32) >> 8).astype(np.uint8))


def _over_white(image: Image.Image) -> Image.Image:
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)


def _preview(content: bytes) -> str:
    return f"{len(content)} bytes that start with {content[:16]!r}."
