"""Resize and random flip, rotation, zoom and shift as one affine warp an image."""

import cv2
import numpy as np
from numpy.typing import NDArray

from facesent.images.augmentation.draws import Uniform
from facesent.images.augmentation.settings import Augment
from facesent.images.reading import Pixels
from facesent.images.threads import Scratch

DRAWS = 6

Matrix = NDArray[np.float64]

_PADDED, _WARPED = Scratch(), Scratch()


def warp(image: Pixels, matrix: Matrix, result: Pixels) -> None:
    """Resize and warp one image in one interpolation; what leaves the frame is filled by reflection.

    Resizing first would interpolate twice, which blurs.

    Args:
        image: ``(height, width, 3)``; much finer than the result it would show aliasing, see ``DecodedImages``.
        matrix: ``(2, 3)``, from a square of the result's size to the result, see ``affine_matrices``.
        result: ``(side, side, 3)``, contiguous, written to.
    """
    height, width = image.shape[:2]
    side = result.shape[0]
    # Four channels are warped faster than three, to the same values; and what is read aslant is read faster from the
    # processor's cache, into which the straight pass of the conversion brings the image.
    padded = cv2.cvtColor(image, cv2.COLOR_RGB2RGBA, dst=_PADDED.picture(height, width, 4))
    warped = cv2.warpAffine(
        padded,
        _after_resize(matrix, width, height, side),
        (side, side),
        dst=_WARPED.picture(side, side, 4),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    cv2.cvtColor(warped, cv2.COLOR_RGBA2RGB, dst=result)


def affine_matrices(draws: Uniform, settings: Augment, side: int) -> Matrix:
    """The warps about the centre of a square, from source to result.

    Args:
        draws: ``(n, DRAWS)`` uniform numbers in [0, 1).
        settings: the ranges.
        side: of the square in pixels.

    Returns:
        ``(n, 2, 3)``, in pixels.
    """
    flip, angle, zoom_x, zoom_y, shift_x, shift_y = draws.T * 2 - 1
    radians = np.deg2rad(angle * settings.rotation)
    scale_x = np.where(flip < 0, -1.0, 1.0) if settings.flip else np.ones_like(flip)
    scale_x *= 1 + zoom_x * settings.zoom
    scale_y = 1 + zoom_y * settings.zoom
    cosine, sine = np.cos(radians), np.sin(radians)
    columns = [[scale_x * cosine, scale_x * sine], [-scale_y * sine, scale_y * cosine]]
    linear = np.array(columns).T
    centre = np.full(2, (side - 1) / 2)
    shift = np.column_stack([shift_x, shift_y]) * settings.shift * side
    return np.concatenate([linear, (centre + shift - linear @ centre)[:, :, None]], axis=2)


def _after_resize(matrix: Matrix, width: int, height: int, side: int) -> Matrix:
    """``matrix`` after a resize to the square; as in ``cv2.resize`` pixel centres lie at halves."""
    scale = np.array([side / width, side / height])
    composed = matrix.copy()
    composed[:, :2] *= scale
    composed[:, 2] += matrix[:, :2] @ (scale / 2 - 0.5)
    return composed
