"""From the bytes of an image file to the square array that a model takes.

Training, batch prediction and serving all read images here, so that they see the same pixels.
"""

import io
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryFile

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from facesent.errors import FacesentError

Pixels = NDArray[np.uint8]
Progress = Callable[[int, int], None]

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF")
MAX_PIXELS = 50_000_000
MEMORY_BUDGET = 1 << 30


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
    if not content:
        raise ImageError("Expected an image file. Received: no bytes.")
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            return _resize(_decode(image, size, max_pixels), size)
    except ImageError:
        raise
    except UnidentifiedImageError:
        raise ImageError(f"Expected a {', '.join(FORMATS)} image. Received: {_preview(content)}") from None
    except Image.DecompressionBombError:
        raise ImageError(f"Expected at most {max_pixels} pixels. Received: a header that claims far more.") from None
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError, OverflowError) as error:
        # Pillow's decoders raise any of these on a broken file.
        raise ImageError(f"Expected a whole image. Received: a broken or truncated one ({error}).") from None


def read_images(paths: Sequence[Path], size: int, *, progress: Progress | None = None) -> Pixels:
    """Read many files with all cores.

    Args:
        paths: image files.
        size: side of the results in pixels.
        progress: called with the images done and their number.

    Returns:
        ``(len(paths), size, size, 3)``; mapped to an unnamed file where it is larger than ``MEMORY_BUDGET``.

    Raises:
        ImageError: naming the file.
    """
    images = _allocate((len(paths), size, size, 3))

    def read(index: int) -> None:
        try:
            images[index] = read_image(paths[index].read_bytes(), size)
        except ImageError as error:
            raise ImageError(f"{paths[index]}: {error}") from None

    with ThreadPoolExecutor() as pool:
        for done, _ in enumerate(pool.map(read, range(len(paths))), start=1):
            if progress:
                progress(done, len(paths))
    return images


def _decode(image: Image.Image, size: int, max_pixels: int) -> Image.Image:
    width, height = image.size
    if width * height > max_pixels:
        raise ImageError(f"Expected at most {max_pixels} pixels. Received: {width}x{height}.")
    # A JPEG much larger than needed is decoded at 1/2, 1/4 or 1/8 of its size.
    image.draft("RGB", (size, size))
    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith("I;16") or upright.mode == "I":
        upright = _from_16_bit(upright)
    if upright.mode in {"RGBA", "LA", "PA"} or "transparency" in upright.info:
        upright = _over_white(upright.convert("RGBA"))
    return upright.convert("RGB")


def _from_16_bit(image: Image.Image) -> Image.Image:
    return Image.fromarray((np.asarray(image, dtype=np.uint32) >> 8).astype(np.uint8))


def _over_white(image: Image.Image) -> Image.Image:
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)


def _resize(image: Image.Image, size: int) -> Pixels:
    pixels = np.asarray(image)
    shrinks = min(image.size) > size
    resized = cv2.resize(pixels, (size, size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return np.asarray(resized, dtype=np.uint8)


def _allocate(shape: tuple[int, ...]) -> Pixels:
    if np.prod(shape, dtype=np.int64) <= MEMORY_BUDGET:
        return np.empty(shape, np.uint8)
    with TemporaryFile(prefix="facesent-") as file:
        # The mapping outlives the closed file, and nothing is left on the disk after a kill.
        return np.memmap(file, np.uint8, mode="w+", shape=shape)


def _preview(content: bytes) -> str:
    return f"{len(content)} bytes that start with {content[:16]!r}."
