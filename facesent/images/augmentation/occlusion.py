"""Boxes over the eyes, the mouth or anywhere, as sunglasses, masks and hands cover them; they move with the face."""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from facesent.images.augmentation.draws import Uniform
from facesent.images.augmentation.geometry import Matrix
from facesent.images.augmentation.settings import Augment
from facesent.images.reading import Pixels

_COVERS = 3
_DRAWS_A_COVER = 9
DRAWS = _COVERS * _DRAWS_A_COVER

# Ranges of a box's centre (x, y), width and height in shares of a usual face crop, where the eyes lie at 0.30 to 0.48
# of the height and the mouth at 0.65 to 0.85.
_EYES = np.array([(0.46, 0.54), (0.36, 0.41), (0.70, 1.00), (0.20, 0.28)])
_MOUTH = np.array([(0.46, 0.54), (0.72, 0.78), (0.44, 0.76), (0.20, 0.30)])

# Share of the area and ratio of the sides as in random erasing (Zhong et al. 2020, arXiv:1708.04896), up to a quarter.
_AREA = 0.02, 0.25
_LOG_ASPECT = np.log([1 / 3, 3])

# Of coordinates in cv2.fillConvexPoly: sixteenths of a pixel.
_BINARY_PLACES = 4


def is_on(settings: Augment) -> bool:
    """Whether any image is ever covered."""
    return bool(settings.occlude_eyes or settings.occlude_mouth or settings.occlude_box)


def occlude(samples: Pixels, matrices: Matrix, draws: Uniform, settings: Augment) -> None:
    """Cover parts of some faces with noise, one colour or the image's mean colour, in place.

    Args:
        samples: ``(n, side, side, 3)``, already warped.
        matrices: ``(n, 2, 3)`` of that warp, see ``geometry.affine_matrices``: the boxes take the same way.
        draws: ``(n, DRAWS)`` uniform numbers in [0, 1).
        settings: the share of the images for each kind of box.
    """
    kinds: list[tuple[float, Callable[[Uniform], Uniform]]] = [
        (settings.occlude_eyes, lambda numbers: _near(_EYES, numbers)),
        (settings.occlude_mouth, lambda numbers: _near(_MOUTH, numbers)),
        (settings.occlude_box, _anywhere),
    ]
    for (share, boxes), numbers in zip(kinds, np.split(draws, _COVERS, axis=1), strict=True):
        chosen = np.flatnonzero(numbers[:, 0] < share)
        corners = _warped(boxes(numbers[chosen, 1:5]), matrices[chosen], samples.shape[1])
        for index, corner, filling in zip(chosen, corners, numbers[chosen, 5:], strict=True):
            _cover(samples[index], corner, filling)


def _near(ranges: NDArray[np.float64], numbers: Uniform) -> Uniform:
    """Boxes as ``(n, 4)``: left, top, right, bottom."""
    lows, highs = ranges.T
    values = lows + numbers * (highs - lows)
    centres, sizes = values[:, :2], values[:, 2:]
    return np.hstack([centres - sizes / 2, centres + sizes / 2])


def _anywhere(numbers: Uniform) -> Uniform:
    area = _AREA[0] + numbers[:, 2] * (_AREA[1] - _AREA[0])
    aspect = np.exp(_LOG_ASPECT[0] + numbers[:, 3] * (_LOG_ASPECT[1] - _LOG_ASPECT[0]))
    sizes = np.column_stack([np.sqrt(area * aspect), np.sqrt(area / aspect)])
    starts = numbers[:, :2] * (1 - sizes)
    return np.hstack([starts, starts + sizes])


def _warped(boxes: Uniform, matrices: Matrix, side: int) -> Uniform:
    """The boxes' corners in the samples: ``(n, 4, 2)`` in pixels, whose centres lie at whole numbers."""
    corners = boxes[:, [[0, 1], [2, 1], [2, 3], [0, 3]]] * side - 0.5
    warped: Uniform = corners @ matrices[:, :, :2].swapaxes(1, 2) + matrices[:, None, :, 2]
    return warped


def _cover(sample: Pixels, corners: Uniform, filling: Uniform) -> None:
    side = sample.shape[0]
    left, top = np.clip(np.floor(corners.min(axis=0)), 0, side).astype(int)
    right, bottom = np.clip(np.ceil(corners.max(axis=0)) + 1, 0, side).astype(int)
    part = sample[top:bottom, left:right]
    if part.size == 0:
        return
    mask = np.zeros(part.shape[:2], np.uint8)
    points = np.rint((corners - (left, top)) * 2**_BINARY_PLACES).astype(np.int32)
    cv2.fillConvexPoly(mask, points, 1, shift=_BINARY_PLACES)
    cv2.copyTo(_filling(sample, part.shape, filling), mask, part)


def _filling(sample: Pixels, shape: tuple[int, ...], numbers: Uniform) -> Pixels:
    """``shape`` of noise, of one random colour, or of the mean colour."""
    kind, *colour = numbers
    if kind < 1 / 3:
        noise = np.random.Generator(np.random.Philox(key=int(colour[0] * 2**53)))
        return noise.integers(0, 256, shape, dtype=np.uint8)
    value = np.array(colour) * 256 if kind < 2 / 3 else cv2.mean(sample)[:3]
    return np.full(shape, value, np.uint8)
