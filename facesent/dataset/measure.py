"""What one image file says about itself: readability, size, hashes, light."""

import hashlib
import warnings
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image

from facesent.images.reading import ImageError, opened, read_content

# Enough to see whether a picture is sharp.
_LIGHT_SIDE = 128
_HASHED_SIDE = 32
# OpenCV's cosine transform is orthonormal; the hash is defined on one that is not scaled.
_UNSCALED = np.sqrt(np.outer([2] + 7 * [1], [2] + 7 * [1]))


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


class Reading(NamedTuple):
    """A file to measure."""

    path: str
    known: Collection[str] = ()
    """Contents, as SHA-256, whose facts the caller has."""

    def __str__(self) -> str:
        return self.path


def one_thread() -> None:
    """Let OpenCV stay in its thread: the other cores have files of their own."""
    cv2.setNumThreads(1)


def read_facts(reading: Reading, max_pixels: int) -> Facts:
    """Read a file once and decode it wholly.

    Args:
        reading: the file.
        max_pixels: an image whose header announces more is not decoded.

    Returns:
        Facts with ``ok`` False and a ``reason`` where the file cannot be used; without a reason, and with ``bytes`` and
        ``sha256`` alone, where its content is known. Width and height are those stored (no EXIF rotation). Light is
        measured on the luma in 0..255 of what training would see, upright and over white, halved while both sides keep
        ``_LIGHT_SIDE`` pixels: brightness and contrast are its mean and standard deviation, sharpness is the variance
        of its Laplacian (Pech-Pacheco et al., 2000). phash is ImageHash's of the luma, halved while both sides keep
        ``_HASHED_SIDE``.
    """
    try:
        content = read_content(Path(reading.path))
    except ImageError as error:
        return Facts(reason=error.reason)
    except OSError as error:
        return Facts(reason=f"cannot be read: {error.strerror}")
    facts = Facts(bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
    if facts.sha256 in reading.known:
        return facts
    with warnings.catch_warnings():
        # Pillow warns of images that our limit allows, and of broken EXIF blocks, which do not hinder decoding.
        warnings.simplefilter("ignore")
        return _measure_content(content, max_pixels, facts)


def _measure_content(content: bytes, max_pixels: int, facts: Facts) -> Facts:
    try:
        with opened(content, max_pixels=max_pixels) as photo:
            (width, height), mode = photo.image.size, photo.image.mode
            facts = facts._replace(width=width, height=height, mode=mode, format=photo.format)
            luma = photo.seen("L", _LIGHT_SIDE)
    except ImageError as error:
        return facts._replace(reason=error.reason)
    if facts.format != "JPEG":
        # A JPEG's decoder has halved it already, for less than nothing.
        luma = luma.reduce(_halvings(luma.size))
    return _measure_pixels(luma, facts)


def _measure_pixels(luma: Image.Image, facts: Facts) -> Facts:
    pixels = np.asarray(luma)
    mean, deviation = cv2.meanStdDev(pixels)
    # 16 bits hold the Laplacian of 8 without rounding.
    _, edges = cv2.meanStdDev(cv2.Laplacian(pixels, cv2.CV_16S))
    return facts._replace(
        phash=perceptual_hash(luma),
        # Rounded, so that another machine's last bits do not change the manifest's bytes.
        brightness=round(float(mean[0, 0]), 3),
        contrast=round(float(deviation[0, 0]), 3),
        sharpness=round(float(edges[0, 0]) ** 2, 3),
        ok=True,
    )


def perceptual_hash(luma: Image.Image) -> str:
    """64 bits that hardly change with size and compression: which low frequencies are above their median.

    The bits are those of ImageHash's ``phash`` (after N. Krawetz, "Looks Like It", 2011) of the same shrunken picture,
    but where a frequency lies on the median to within rounding. A large picture is shrunk in two steps.

    Args:
        luma: of mode L.

    Returns:
        16 hexadecimal digits, the lowest frequencies first.
    """
    side = (_HASHED_SIDE, _HASHED_SIDE)
    small = luma.resize(side, Image.Resampling.LANCZOS, reducing_gap=2)
    low = cv2.dct(np.asarray(small, dtype=np.float64))[:8, :8] * _UNSCALED
    ordered = np.sort(low, axis=None)
    return np.packbits(low > (ordered[31] + ordered[32]) / 2).tobytes().hex()


def _halvings(size: tuple[int, int]) -> int:
    """The largest of 8, 4, 2 and 1 (what a JPEG decoder can do) that leaves both sides ``_LIGHT_SIDE`` pixels."""
    return next((factor for factor in (8, 4, 2) if min(size) // factor >= _LIGHT_SIDE), 1)
