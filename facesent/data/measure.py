"""What one image file says about itself: readability, size, hashes, light."""

import hashlib
import io
import struct
import warnings
import zlib
from pathlib import Path
from typing import NamedTuple

import cv2
import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from facesent.data.images import FORMATS

# Pillow's decoders raise any of these on a broken file.
_DECODE_ERRORS = (
    OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError, OverflowError, MemoryError,
    struct.error, zlib.error,
)  # fmt: skip


class Facts(NamedTuple):
    """What was measured on one file; what could not be measured is None."""

    width: int | None = None
    height: int | None = None
    mode: str | None = None
    format: str | None = None
    bytes: int | None = None
    sha256: str | None = None
    phash: str | None = None
    brightness: float | None = None
    contrast: float | None = None
    sharpness: float | None = None
    ok: bool = False
    reason: str | None = None


def measure(path: Path, max_pixels: int) -> Facts:
    """Read the file once and decode it wholly.

    Args:
        path: an image file.
        max_pixels: an image whose header announces more is not decoded.

    Returns:
        Facts with ``ok`` False and a ``reason`` where the file cannot be used. Width and height are those stored
        (no EXIF rotation); brightness and contrast are mean and standard deviation of luma in 0..255; sharpness is
        the variance of its Laplacian (Pech-Pacheco et al., 2000).
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        return Facts(reason=f"cannot be read: {error.strerror}")
    facts = Facts(bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
    if not content:
        return facts._replace(reason="empty file")
    with warnings.catch_warnings():
        # Pillow warns of images that our limit allows, and of broken EXIF blocks, which do not hinder decoding.
        warnings.simplefilter("ignore")
        return _measure_content(content, max_pixels, facts)


def _measure_content(content: bytes, max_pixels: int, facts: Facts) -> Facts:
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            width, height = image.size
            # Pillow opens a JPEG that carries further pictures (phones write depth maps so) as MPO.
            name = "JPEG" if image.format == "MPO" else image.format
            facts = facts._replace(width=width, height=height, mode=image.mode, format=name)
            if width * height > max_pixels:
                return facts._replace(reason=_too_large(max_pixels))
            image.load()
            return _measure_pixels(image, facts)
    except UnidentifiedImageError:
        return facts._replace(reason=f"not an image: its content is none of {', '.join(FORMATS)}")
    except Image.DecompressionBombError:
        # Pillow's own limit, which it enforces before it tells the size.
        return facts._replace(reason=_too_large(min(max_pixels, 2 * (Image.MAX_IMAGE_PIXELS or max_pixels))))
    except _DECODE_ERRORS as error:
        message = str(error) or type(error).__name__
        return facts._replace(reason="truncated" if "truncated" in message.lower() else f"cannot be decoded: {message}")


def _too_large(max_pixels: int) -> str:
    return f"over {max_pixels} pixels"


def _measure_pixels(image: Image.Image, facts: Facts) -> Facts:
    grey = _luma(image)
    return facts._replace(
        phash=str(imagehash.phash(Image.fromarray(grey))),
        # Rounded, so that another machine's last bits do not change the manifest's bytes.
        brightness=round(float(grey.mean()), 3),
        contrast=round(float(grey.std()), 3),
        sharpness=round(float(cv2.Laplacian(grey, cv2.CV_64F).var()), 3),
        ok=True,
    )


def _luma(image: Image.Image) -> NDArray[np.uint8]:
    """(height, width) in 0..255."""
    if image.mode.startswith("I"):
        # Pillow clips 16-bit grey to 255 when it converts, which would call every such image white.
        return np.clip(np.asarray(image, dtype=np.float64) / 257, 0, 255).astype(np.uint8)
    return np.asarray(image.convert("L"))
