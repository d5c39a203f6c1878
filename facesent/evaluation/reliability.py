"""Calibration: whether answers are right as often as they are sure."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import foldnorm

Confidence = NDArray[np.floating[Any]]
Correct = NDArray[np.bool_]

_IMAGES_A_BIN = 20


@dataclass(frozen=True)
class Bins:
    """Answers grouped by their confidence; in a bin without images all values are 0.

    Attributes:
        images: ``(bins,)``, how many images each bin has.
        confidence: ``(bins,)``, their mean confidence.
        accuracy: ``(bins,)``, the share of them that is answered right.
    """

    images: NDArray[np.int64]
    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]

    @property
    def weights(self) -> NDArray[np.float64]:
        """Share of all images in each bin."""
        return np.asarray(self.images / self.images.sum())

    @property
    def gaps(self) -> NDArray[np.float64]:
        """Confidence above accuracy."""
        return self.confidence - self.accuracy


def equal_width_bins(confidence: Confidence, correct: Correct, bins: int) -> Bins:
    """Group answers into equally wide intervals over 0..1, which the upper end belongs to.

    Args:
        confidence: ``(n,)``, the largest probability of each image.
        correct: ``(n,)``.
        bins: how many.
    """
    return _bins(interval_of(confidence, bins), confidence, correct, bins)


def expected_calibration_error(confidence: Confidence, correct: Correct, bins: int) -> float:
    """Mean gap between confidence and accuracy over equally wide bins, weighted by their images.

    Source: Guo et al., On Calibration of Modern Neural Networks, 2017, equation 5.

    Few images make it large: with 15 bins and 100 images, perfectly calibrated answers of accuracy 0.85 have about
    0.1. ``debiased_calibration_error`` and ``calibration_noise`` say what is left beyond that.

    Args:
        confidence: ``(n,)``, the largest probability of each image.
        correct: ``(n,)``.
        bins: number of bins over 0..1.
    """
    grouped = equal_width_bins(confidence, correct, bins)
    return float(grouped.weights @ np.abs(grouped.gaps))


def debiased_calibration_error(confidence: Confidence, correct: Correct, bins: int) -> float:
    """The calibration error with much of the bias taken out that the chance in a bin's accuracy gives it.

    The accuracy of a bin of m images is about normal around the true one with variance ``a (1 - a) / m``, so the mean
    absolute gap exceeds the true one; that excess, taken at the observed gap, is subtracted (Kumar et al., Verified
    Uncertainty Calibration, 2019, arXiv:1909.10155). Bins hold equally many images, some 20 at least, since bias
    grows with the number of bins (Roelofs et al. 2022, arXiv:2012.08668).

    Args:
        confidence: ``(n,)``, the largest probability of each image.
        correct: ``(n,)``.
        bins: at most so many.
    """
    used = min(bins, max(1, len(confidence) // _IMAGES_A_BIN))
    member = np.empty(len(confidence), np.int64)
    for index, part in enumerate(np.array_split(np.argsort(confidence, kind="stable"), used)):
        member[part] = index
    grouped = _bins(member, confidence, correct, used)
    gaps = np.abs(grouped.gaps)
    spread = np.sqrt(grouped.accuracy * (1 - grouped.accuracy) / np.maximum(grouped.images, 1))
    expected = gaps.copy()
    chancy = spread > 0
    expected[chancy] = foldnorm.mean(gaps[chancy] / spread[chancy], scale=spread[chancy])
    return max(0.0, float(grouped.weights @ (2 * gaps - expected)))


def calibration_noise(confidence: Confidence, bins: int, resamples: int, seed: int) -> float:
    """The mean ``expected_calibration_error`` of as many answers, as sure as these, that are perfectly calibrated.

    Source: Bröcker and Smith, Increasing the Reliability of Reliability Diagrams, 2007 (consistency resampling).

    Args:
        confidence: ``(n,)``, the largest probability of each image.
        bins: number of bins over 0..1.
        resamples: how often answers are drawn.
        seed: of the resampling.
    """
    member = interval_of(confidence, bins)
    sure = np.bincount(member, confidence, bins)
    chance = np.random.default_rng(seed)
    errors = [
        np.abs(sure - np.bincount(member, chance.random(len(confidence)) < confidence, bins)).sum()
        for _ in range(resamples)
    ]
    return float(np.mean(errors) / len(confidence))


def interval_of(confidence: Confidence, bins: int) -> NDArray[np.int64]:
    """The number of each answer's bin, ``(n,)``; the arguments are those of ``equal_width_bins``."""
    return np.asarray(np.digitize(confidence, np.linspace(0, 1, bins + 1)[1:-1], right=True), np.int64)


def _bins(member: NDArray[np.int64], confidence: Confidence, correct: Correct, bins: int) -> Bins:
    images = np.bincount(member, minlength=bins)
    some = np.maximum(images, 1)
    return Bins(
        images=images,
        confidence=np.bincount(member, confidence, bins) / some,
        accuracy=np.bincount(member, correct, bins) / some,
    )
