"""What one image file says about itself: readability, size, hashes, light."""

import hashlib
import warnings
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facesent.images.reading import ImageError, Photo, opened, read_content

# Enough to see whether a picture is sharp.
_LIGHT_SIDE = 128
_HASHED_SIDE = 32
# OpenCV's cosine transform is orthonormal; the hash is defined on one that is not scaled.
_UNSCALED = np.sqrt(np.outer([2] + 7 * [1], [2] + 7 * [1]))
_MIRRORED = np.array([1, -1] * 4)


class Facts(NamedTuple):
    """What was measured on one file; what could not be measured is None."""

    width: int | None = None
    height: int | None = None
    mode: str | None = None
    format: str | None = None
    bytes: int | None = None
    sha256: str | None = None
    phash: str | None = None
    phash_mirrored: str | None = None
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
        ``_HASHED_SIDE``, and phash_mirrored that of its mirror image.
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
            luma = _luma(photo)
    except ImageError as error:
        return facts._replace(reason=error.reason)
    return _measure_pixels(luma, facts)


def _luma(photo: Photo) -> Image.Image:
    luma = photo.seen("L", _LIGHT_SIDE)
    # A JPEG's decoder has halved it already, for less than nothing.
    return luma if photo.format == "JPEG" else luma.reduce(_halvings(luma.size))


def _measure_pixels(luma: Image.Image, facts: Facts) -> Facts:
    pixels = np.asarray(luma)
    mean, deviation = cv2.meanStdDev(pixels)
    # 16 bits hold the Laplacian of 8 without rounding.
    phash, mirrored = perceptual_hashes(luma)
    _, edges = cv2.meanStdDev(cv2.Laplacian(pixels, cv2.CV_16S))
    return facts._replace(
        phash=phash,
        phash_mirrored=mirrored,
        # Rounded, so that another machine's last bits do not change the manifest's bytes.
        brightness=round(float(mean[0, 0]), 3),
        contrast=round(float(deviation[0, 0]), 3),
        sharpness=round(float(edges[0, 0]) ** 2, 3),
        ok=True,
    )


def photo_hashes(content: bytes) -> str:
    """The perceptual hashes of an image file and of its mirror image, as ``read_facts`` measures them.

    Returns:
        32 hexadecimal digits, as ``source_phash`` in ``metadata.csv`` has them.

    Raises:
        ImageError: it cannot be decoded.
    """
    with opened(content) as photo:
        return "".join(perceptual_hashes(_luma(photo)))


def perceptual_hashes(luma: Image.Image) -> tuple[str, str]:
    """64 bits that hardly change with size and compression: which low frequencies are above their median.

    The bits are those of ImageHash's ``phash`` (after N. Krawetz, "Looks Like It", 2011) of the same shrunken picture,
    but where a frequency lies on the median to within rounding. A large picture is shrunk in two steps.

    Args:
        luma: of mode L.

    Returns:
        16 hexadecimal digits, the lowest frequencies first, of the picture and of its mirror image.
    """
    side = (_HASHED_SIDE, _HASHED_SIDE)
    small = luma.resize(side, Image.Resampling.LANCZOS, reducing_gap=2)
    low = cv2.dct(np.asarray(small, dtype=np.float64))[:8, :8] * _UNSCALED
    # Mirroring changes the sign of each second frequency from left to right, and nothing else.
    return _above_median(low), _above_median(low * _MIRRORED)


def _above_median(low: NDArray[np.float64]) -> str:
    ordered = np.sort(low, axis=None)
    return np.packbits(low > (ordered[31] + ordered[32]) / 2).tobytes().hex()


def _halvings(size: tuple[int, int]) -> int:
    """The largest of 8, 4, 2 and 1 (what a JPEG decoder can do) that leaves both sides ``_LIGHT_SIDE`` pixels."""
    return next((factor for factor in (8, 4, 2) if min(size) // factor >= _LIGHT_SIDE), 1)
