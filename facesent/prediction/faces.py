"""Where the face is in a whole photo.

The detector is MTCNN (Zhang et al. 2016, https://arxiv.org/abs/1604.02878), its weights those that the package
``mtcnn`` ships: nothing is fetched.
"""

from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

import cv2
import numpy as np

from facesent.core.cropping import Crop
from facesent.images.limits import MAX_PIXELS, MAX_WHOLE_PIXELS
from facesent.images.reading import Pixels, opened, read_image, resize

if TYPE_CHECKING:
    from mtcnn import MTCNN

# Every photo becomes a square of this side, so that TensorFlow sees one shape. A face has to be 20 pixels wide in it.
_SIDE = 320
_MIN_CONFIDENCE = 0.9


@dataclass(frozen=True)
class Box:
    """A face in an upright photo, in pixels from its upper left corner."""

    left: int
    top: int
    width: int
    height: int


def read_cropped(content: bytes, size: int, crop: Crop) -> tuple[Pixels, Box | None]:
    """What ``read_face`` gives where ``crop`` is "largest", otherwise the whole photo as ``read_image`` does, and None.

    Raises:
        ImageError: as ``read_image``.
    """
    return read_face(content, size) if crop == "largest" else (read_image(content, size), None)


def read_face(content: bytes, size: int, *, max_pixels: int = MAX_PIXELS) -> tuple[Pixels, Box | None]:
    """Decode untrusted ``content`` and resize its largest face to a square.

    Args:
        content: as for ``read_image``.
        size: as for ``read_image``.
        max_pixels: as for ``read_image``.

    Returns:
        RGB, ``(size, size, 3)``, and where the face is in the upright photo. Where there is none that could be found:
        what ``read_image`` gives for the whole photo, and None.

    Raises:
        ImageError: as ``read_image``.
    """
    return read_faces(content, size, max_pixels=max_pixels)[0]


def read_faces(content: bytes, size: int, *, max_pixels: int = MAX_PIXELS) -> list[tuple[Pixels, Box | None]]:
    """The same for every face, the largest first; of a photo without one that could be found, the whole photo alone."""
    photo, smaller = _decoded(content, max_pixels)
    boxes = all_faces(photo)
    if not boxes:
        del photo
        return [(read_image(content, size, max_pixels=max_pixels), None)]
    return [(resize(crop_to(photo, box), size), _times(smaller, box)) for box in boxes]


def largest_crop(content: bytes, *, max_pixels: int = MAX_PIXELS) -> Pixels | None:
    """Decode untrusted ``content`` and cut its largest face out: what ``read_face`` resizes.

    Args:
        content: as for ``read_image``.
        max_pixels: as for ``read_image``.

    Returns:
        RGB, ``(height, width, 3)``; None where no face could be found.

    Raises:
        ImageError: as ``read_image``.
    """
    photo, _ = _decoded(content, max_pixels)
    box = largest_face(photo)
    return crop_to(photo, box) if box else None


def _decoded(content: bytes, max_pixels: int) -> tuple[Pixels, int]:
    """The upright photo, a large JPEG at half its size; and how many times smaller it is."""
    with opened(content, max_pixels=max_pixels) as photo:
        width, height = photo.image.size
        # In half of it the smallest face that can be found still has 220 pixels.
        half = min(width, height) // 2 if width * height > MAX_WHOLE_PIXELS else None
        pixels = photo.pixels(half)
    return pixels, round(max(width, height) / max(pixels.shape[:2]))


def _times(factor: int, box: Box) -> Box:
    return Box(factor * box.left, factor * box.top, factor * box.width, factor * box.height)


def largest_face(pixels: Pixels) -> Box | None:
    """Find the largest face of an upright RGB photo, ``(height, width, 3)``.

    A face is found from about a sixteenth of the photo's longer side on.
    """
    return next(iter(all_faces(pixels)), None)


def all_faces(pixels: Pixels) -> list[Box]:
    """Find the faces of an upright RGB photo, ``(height, width, 3)``, the largest first."""
    height, width = pixels.shape[:2]
    scale = _SIDE / max(height, width)
    found = _detector().detect_faces(_letterboxed(pixels, scale))
    corners = [_corners(face["box"], scale, width, height) for face in found if face["confidence"] >= _MIN_CONFIDENCE]
    boxes = [Box(left, top, right - left, bottom - top) for left, top, right, bottom in corners]
    whole = [box for box in boxes if box.width > 0 and box.height > 0]
    return sorted(whole, key=lambda box: box.width * box.height, reverse=True)


def crop_to(pixels: Pixels, box: Box) -> Pixels:
    """Cut the square around a face out of a photo, as far as the photo goes; a view of its pixels.

    Its side is the longer one of the box, which is that of photos in datasets of expressions: for such photos in a
    larger picture, this square shares .81 (IoU) with the photo, the bare box .74.
    """
    square = square_around(box, pixels.shape[1], pixels.shape[0])
    return pixels[square.top : square.top + square.height, square.left : square.left + square.width]


def square_around(box: Box, width: int, height: int) -> Box:
    """What ``crop_to`` cuts out of a photo of ``width`` and ``height``."""
    side = max(box.width, box.height)
    left, top = box.left + (box.width - side) // 2, box.top + (box.height - side) // 2
    right, bottom = min(left + side, width), min(top + side, height)
    left, top = max(0, left), max(0, top)
    return Box(left, top, right - left, bottom - top)


def _letterboxed(pixels: Pixels, scale: float) -> Pixels:
    """The photo in the upper left corner of a black square of ``_SIDE``."""
    height, width = (max(1, round(side * scale)) for side in pixels.shape[:2])
    square = np.zeros((_SIDE, _SIDE, 3), np.uint8)
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    square[:height, :width] = cv2.resize(pixels, (width, height), interpolation=interpolation)
    return square


def _corners(found: list[int], scale: float, width: int, height: int) -> tuple[int, int, int, int]:
    """Left, top, right and bottom in the photo of a box in its letterboxed square, without what lies outside."""
    left, top = found[:2]
    edges = (left / scale, top / scale, (left + found[2]) / scale, (top + found[3]) / scale)
    x0, y0, x1, y1 = (max(0, round(edge)) for edge in edges)
    return min(x0, width), min(y0, height), min(x1, width), min(y1, height)


@cache
def _detector() -> "MTCNN":
    """Read once the weights of some megabytes; calls from several threads at once are fine."""
    # It keeps TensorFlow quiet, which mtcnn would import with all its notes.
    import_module("facesent.model.backend")
    from mtcnn import MTCNN

    return MTCNN()
