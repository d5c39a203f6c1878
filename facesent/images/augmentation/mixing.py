"""Mixtures of two images of a batch and of their targets."""

import cv2
import numpy as np
from numpy.typing import NDArray

from facesent.images.augmentation.draws import Uniform
from facesent.images.augmentation.settings import Augment
from facesent.images.reading import Pixels

DRAWS = 5

SoftTargets = NDArray[np.float32]


def is_on(settings: Augment) -> bool:
    """Whether images are mixed."""
    return bool(settings.mixup or settings.cutmix)


def mix(samples: Pixels, targets: SoftTargets, draws: Uniform, settings: Augment) -> tuple[Pixels, SoftTargets]:
    """Mix each image with another one of its batch, by mixup or CutMix; with both on, each image draws one of them.

    Sources: mixup (Zhang et al. 2018, arXiv:1710.09412) adds both images; CutMix (Yun et al. 2019, arXiv:1905.04899)
    puts a box of one into the other. Shares are drawn from Beta(alpha, alpha), anew for each image; each keeps the
    larger one (as in MixMatch, Berthelot et al. 2019, arXiv:1905.02249), so that an epoch still holds all of them.

    Args:
        samples: ``(n, side, side, 3)``, not changed.
        targets: ``(n, classes)``.
        draws: ``(n, DRAWS)`` uniform numbers in [0, 1).
        settings: the alphas; at least one is over 0.

    Returns:
        New samples and targets, mixed in equal shares; for CutMix these are the shares of the area.
    """
    from scipy.special import betaincinv

    order, choice, quantile, *place = draws.T
    partners = _partners(order)
    with_box = choice < (0.5 if settings.mixup else 1) if settings.cutmix else np.zeros(len(draws), np.bool_)
    alpha = np.where(with_box, settings.cutmix, settings.mixup)
    shares: NDArray[np.float64] = betaincinv(alpha, alpha, np.maximum(quantile, 1 - quantile))
    boxes = _boxes(1 - shares, np.column_stack(place), samples.shape[1])
    mixed = samples.copy()
    for index in np.flatnonzero(with_box):
        left, top, right, bottom = boxes[index]
        mixed[index, top:bottom, left:right] = samples[partners[index], top:bottom, left:right]
        shares[index] = 1 - (right - left) * (bottom - top) / samples.shape[1] ** 2
    for index in np.flatnonzero(~with_box):
        share = shares[index]
        cv2.addWeighted(samples[index], share, samples[partners[index]], 1 - share, 0, dst=mixed[index])
    own = shares[:, None].astype(np.float32)
    return mixed, targets * own + targets[partners] * (1 - own)


def _partners(numbers: Uniform) -> NDArray[np.int64]:
    """For each image another one, and each once: the next in a random order."""
    order = np.argsort(numbers)
    partners = np.empty_like(order)
    partners[order] = np.roll(order, -1)
    return partners


def _boxes(areas: Uniform, centres: Uniform, side: int) -> NDArray[np.int64]:
    """Squares of the areas about the centres, cut at the frame: ``(n, 4)`` in pixels, left, top, right, bottom."""
    halves = np.sqrt(areas)[:, None] / 2
    edges = np.hstack([centres - halves, centres + halves]) * side
    pixels: NDArray[np.int64] = np.rint(edges.clip(0, side)).astype(np.int64)
    return pixels
