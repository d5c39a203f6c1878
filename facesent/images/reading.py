"""From the bytes of an image file to the square array that a model takes.

Validation, training, batch prediction and serving all read images here, so that they take and refuse the same files
and see the same pixels.
"""

import io
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageChops, PngImagePlugin, UnidentifiedImageError
from PIL.Image import Transpose
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile

from facesent.core.console import Progress
from facesent.core.errors import FacesentError
from facesent.images.kinds import kind_of
from facesent.images.limits import MAX_BYTES, MAX_PIXELS, MAX_WHOLE_PIXELS
from facesent.images.plain_jpeg import decode_plain
from facesent.images.spill import MEMORY_BUDGET, pixel_array
from facesent.images.threads import image_threads

Pixels = NDArray[np.uint8]
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF")
# Bytes that a colour profile or a text may unpack to. Pillow's 1 MiB is less than a printer's profile has.
PngImagePlugin.MAX_TEXT_CHUNK = 16 << 20
_CHUNK = 16


class Readable(Protocol):
    """Where the bytes of an image come from, such as a path; as text it is its name."""

    def read_bytes(self) -> bytes:
        """The whole content."""


# What turns the stored picture upright, by its EXIF orientation.
_TURNS = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}


class ImageError(FacesentError):
    """The bytes are no image that can be read; ``reason`` says in a few words why, for a table."""

    def __init__(self, message: str, *, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason


def read_image(content: bytes, size: int, *, max_pixels: int = MAX_PIXELS) -> Pixels:
    """Decode untrusted ``content`` and resize it to a square.

    Args:
        content: a whole JPEG, PNG, WEBP, BMP or GIF (its first frame) file.
        size: side of the result in pixels; the aspect ratio is not kept.
        max_pixels: larger images are refused by their header, before they are decoded; all but JPEG from
            ``MAX_WHOLE_PIXELS`` on.

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
    with opened(content, max_pixels=max_pixels) as photo:
        return photo.pixels(size)


@dataclass(frozen=True)
class Photo:
    """An image file whose header was read; its pixels are decoded when they are asked for, once, if not too many."""

    image: Image.Image
    max_pixels: int
    content: bytes = b""
    """Of the file; none for an image that was opened elsewhere."""

    @property
    def format(self) -> str | None:
        """One of ``FORMATS``: what the content is, whatever the file is called."""
        # Pillow opens a JPEG that carries further pictures (phones write depth maps so) as MPO.
        return "JPEG" if isinstance(self.image, JpegImageFile) else self.image.format

    def seen(self, mode: Literal["RGB", "L"], side: int | None) -> Image.Image:
        """The first picture as people see it: upright and over white.

        Args:
            mode: colours, or luma alone, which a JPEG stores.
            side: as for ``decode``.

        Raises:
            ImageError: as ``read_image``.
        """
        self._refuse_too_large()
        image = self.image
        if side:
            image.draft("L" if mode == "L" and _luma_tells(image) else "RGB", (side, side))
        image.load()
        turn = _turn(image)
        if image.mode == "CMYK" and isinstance(image, JpegImageFile) and "adobe" not in image.info:
            # Pillow takes all JPEGs for Adobe's, which are stored inverted.
            image = ImageChops.invert(image)
        if image.mode.startswith("I"):
            image = _from_16_bit(image)
        if image.has_transparency_data:
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
        if image.mode != mode:
            image = image.convert(mode)
        return image if turn is None else image.transpose(turn)

    def pixels(self, side: int | None) -> Pixels:
        """The same as an array: RGB, ``(height, width, 3)``.

        Raises:
            ImageError: as ``read_image``.
        """
        plain = self._plain(side)
        return np.asarray(self.seen("RGB", side)) if plain is None else plain

    def _plain(self, side: int | None) -> Pixels | None:
        """The same, sooner, of a JPEG that is stored upright and has nothing unusual; None of all else."""
        self._refuse_too_large()
        image, stored = self.image, self.image.size
        if not self.content or not isinstance(image, JpegImageFile) or _turn(image) is not None:
            return None
        if side:
            # Pillow takes no second one, so that this scale is that of ``seen`` too.
            image.draft("RGB", (side, side))
        return decode_plain(self.content, stored, image.size)

    def _refuse_too_large(self) -> None:
        # What is no file is decoded already.
        whole = isinstance(self.image, ImageFile) and self.format != "JPEG"
        most = min(self.max_pixels, MAX_WHOLE_PIXELS) if whole else self.max_pixels
        if self.image.width * self.image.height > most:
            kind = f" as {self.format}" if self.format else ""
            raise _too_large(most, f"{self.image.width}x{self.image.height}{kind}")


@contextmanager
def opened(content: bytes, *, max_pixels: int = MAX_PIXELS) -> Iterator[Photo]:
    """Read the header of untrusted ``content``; whatever Pillow raises on it or on its pixels is an ImageError.

    Args:
        content: as for ``read_image``.
        max_pixels: as for ``read_image``.

    Raises:
        ImageError: as ``read_image``; with a ``reason``.
    """
    if not content:
        raise ImageError("Expected an image file. Received: no bytes.", reason="empty file")
    if len(content) > MAX_BYTES:
        raise _too_long(len(content))
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            yield Photo(image, max_pixels, content)
    except (ImageError, MemoryError):
        raise
    except UnidentifiedImageError:
        formats, kind = ", ".join(FORMATS), kind_of(content)
        if kind in FORMATS:
            what = f"broken, truncated or unusual {kind}"
            raise ImageError(f"Expected a whole image. Received: a {what}.", reason=what) from None
        received = kind or f"{len(content)} bytes that start with {content[:16]!r}"
        raise ImageError(
            f"Expected a {formats} image. Received: {received}.",
            reason=f"not an image: its content is {kind or f'none of {formats}'}",
        ) from None
    except Image.DecompressionBombError:
        # Pillow's own limit, which comes before it tells the size.
        raise _too_large(max_pixels, "a header that claims far more") from None
    except Exception as error:
        # Pillow's decoders raise nearly anything on a broken file, and what they raise changes between its versions.
        words = str(error) or type(error).__name__
        raise ImageError(
            f"Expected a whole image. Received: a broken or truncated one ({words}).",
            reason="truncated" if "truncated" in words.lower() else f"cannot be decoded: {words}",
        ) from None


def read_images(
    paths: Sequence[Readable],
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
def naming(path: Readable) -> Iterator[None]:
    """Put the file's name before an ImageError."""
    try:
        yield
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from None


def read_content(path: Path) -> bytes:
    """The bytes of an image file, unless it is none or too long to be one.

    Raises:
        ImageError: no regular file, or over ``MAX_BYTES``; with a ``reason``.
        OSError: it cannot be read.
    """
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise ImageError("Expected an image file. Received: no regular file.", reason="not a regular file")
    if status.st_size > MAX_BYTES:
        raise _too_long(status.st_size)
    return path.read_bytes()


def _too_long(length: int) -> ImageError:
    limit = f"{MAX_BYTES} bytes"
    return ImageError(f"Expected at most {limit}. Received: {length}.", reason=f"over {limit}")


def _too_large(max_pixels: int, received: str) -> ImageError:
    limit = f"{max_pixels} pixels"
    return ImageError(f"Expected at most {limit}. Received: {received}.", reason=f"over {limit}")


def _turn(image: Image.Image) -> Transpose | None:
    try:
        return _TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:
        # A broken EXIF block, on which Pillow raises nearly anything, hinders nobody from seeing the picture.
        return None


def _luma_tells(image: Image.Image) -> bool:
    """Whether a JPEG's colours can be decoded if its luma can: libjpeg stretches them by whole factors only."""
    layers = image.layer if isinstance(image, JpegImageFile) else []
    samplings = [[layer[axis] or 1 for layer in layers] for axis in (1, 2)]
    return not any(max(sampling) % one for sampling in samplings for one in sampling)


def _from_16_bit(image: Image.Image) -> Image.Image:
    """The upper 8 bits, which Pillow itself keeps of 16-bit colours; it would clip grey."""
    return Image.fromarray((np.asarray(image, dtype=np.uint32) >> 8).astype(np.uint8))
