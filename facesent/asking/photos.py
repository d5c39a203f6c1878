"""What a program may give as a photo, ready for the network."""

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facesent.core.cropping import Crop
from facesent.core.errors import DISK_AWAY
from facesent.images.limits import MAX_PIXELS
from facesent.images.reading import ImageError, Pixels, read_content, resize
from facesent.images.reading import Photo as Opened
from facesent.prediction.faces import Box, crop_to, largest_face, read_cropped

# An image file's path or its bytes, an array of pixels, or an image of Pillow's.
Photo = str | os.PathLike[str] | bytes | NDArray[np.uint8] | Image.Image


def listed(photos: Photo | Iterable[Photo]) -> list[Photo]:
    """All photos; one alone needs no list around it."""
    if isinstance(photos, str | os.PathLike | bytes | Image.Image):
        return [photos]
    return [photos] if isinstance(photos, np.ndarray) and photos.ndim in (2, 3) else list(photos)


def prepared(photo: Photo, size: int, crop: Crop) -> tuple[Pixels, Box | None]:
    """A photo as the network takes it.

    Args:
        photo: an array is RGB, ``(height, width, 3)``.
        size: side of the result in pixels.
        crop: "largest" for the largest face alone, where one is found.

    Returns:
        RGB, ``(size, size, 3)``, and where the face is in the upright photo; None for the whole photo.

    Raises:
        ImageError: it is none of these, or cannot be read.
        OSError: the disk that has it is away.
    """
    if isinstance(photo, np.ndarray | Image.Image):
        pixels = _checked(photo) if isinstance(photo, np.ndarray) else _seen(photo)
        box = largest_face(pixels) if crop == "largest" else None
        return resize(crop_to(pixels, box) if box else pixels, size), box
    return read_cropped(_content(photo), size, crop)


def _content(photo: str | os.PathLike[str] | bytes) -> bytes:
    if isinstance(photo, bytes):
        return photo
    if not isinstance(photo, str | os.PathLike):
        raise ImageError(
            "Expected a path, the bytes of an image file, an array or an image of Pillow's. "
            f"Received: {type(photo).__name__}."
        )
    try:
        return read_content(Path(photo))
    except OSError as error:
        # The photo may be as good as any other.
        if error.errno in DISK_AWAY:
            raise
        raise ImageError(f"Expected a file that can be read. Received: {error.strerror}.") from None
    except ValueError as error:
        # What somebody listed may be no name at all.
        raise ImageError(f"Expected the name of a file. Received: {error}.") from None


def _checked(pixels: Pixels) -> Pixels:
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.size == 0:
        raise ImageError(
            "Expected an RGB array of uint8 with the shape (height, width, 3). "
            f"Received: {pixels.dtype} with the shape {pixels.shape}."
        )
    # OpenCV refuses a mirrored view, such as that of bgr[..., ::-1].
    return np.ascontiguousarray(pixels)


def _seen(image: Image.Image) -> Pixels:
    try:
        return np.asarray(Opened(image, MAX_PIXELS).seen("RGB", None))
    except (ImageError, MemoryError):
        raise
    except Exception as error:
        # As its decoders do, a closed image raises nearly anything.
        words = str(error) or type(error).__name__
        raise ImageError(f"Expected a whole image. Received: one that Pillow cannot read ({words}).") from None
