"""Random flip, rotation, zoom and shift as one affine warp an image."""

import cv2
import numpy as np
from numpy.typing import NDArray

from facesent.data.images import Pixels
from facesent.params import Augment

DRAWS = 6


def draw(seed: int, epoch: int, count: int) -> NDArray[np.float64]:
    """Uniform numbers for one epoch: row ``i`` belongs to image ``i``, in whatever order images come.

    Returns:
        ``(count, DRAWS)``, each in [0, 1).
    """
    return np.random.Generator(np.random.Philox(key=[seed, epoch])).random((count, DRAWS))


def augment(image: Pixels, draws: NDArray[np.float64], settings: Augment) -> Pixels:
    """Warp one image; what leaves the frame is filled by reflection.

    Args:
        image: ``(side, side, 3)``.
        draws: ``(DRAWS,)`` uniform numbers in [0, 1), see ``draw``.
        settings: the ranges.

    Returns:
        ``(side, side, 3)``.
    """
    side = image.shape[0]
    matrix = affine_matrix(draws, settings, side)
    warped = cv2.warpAffine(image, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(warped, dtype=np.uint8)


def affine_matrix(draws: NDArray[np.float64], settings: Augment, side: int) -> NDArray[np.float64]:
    """The warp about the image's centre, from source to result.

    Returns:
        ``(2, 3)``, in pixels.
    """
    flip, angle, zoom_x, zoom_y, shift_x, shift_y = draws * 2 - 1
    radians = np.deg2rad(angle * settings.rotation)
    scale_x = 1 + zoom_x * settings.zoom
    scale_y = 1 + zoom_y * settings.zoom
    mirror = -1.0 if settings.flip and flip < 0 else 1.0
    linear = np.array(
        [
            [mirror * scale_x * np.cos(radians), -scale_y * np.sin(radians)],
            [mirror * scale_x * np.sin(radians), scale_y * np.cos(radians)],
        ]
    )
    centre = np.full(2, (side - 1) / 2)
    shift = np.array([shift_x, shift_y]) * settings.shift * side
    return np.column_stack([linear, centre + shift - linear @ centre])
