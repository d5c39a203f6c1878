"""How sure a share of images is."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Estimate:
    """A share of some images with its interval; all in 0..1.

    Attributes:
        images: how many the share is of.
        value: the share; 0 of no images.
        low: lower end of the interval.
        high: upper end.
    """

    images: int
    value: float
    low: float
    high: float

    @property
    def right(self) -> int:
        """How many of the images the share is."""
        return round(self.value * self.images)


def share_of(right: int, images: int, confidence_level: float) -> Estimate:
    """``right`` of ``images`` with Wilson's score interval.

    A bootstrap would call 14 of 14 certain, as every resample is 14 of 14 again; Wilson's interval also holds for few
    images and for shares near 0 and 1 (Brown, Cai and DasGupta, Interval Estimation for a Binomial Proportion, 2001).

    Args:
        right: 0 to ``images``.
        images: 0 for a share of which nothing is known: 0 to 1.
        confidence_level: of the interval, between 0 and 1.
    """
    if not images:
        return Estimate(0, 0.0, 0.0, 1.0)
    # It takes half a second to import, and many who import this module ask for no interval.
    from scipy.stats import binomtest

    interval = binomtest(right, images).proportion_ci(confidence_level, method="wilson")
    # Rounding leaves 1e-17 of what is 0 or 1.
    low, high = (float(min(max(end, 0.0), 1.0)) for end in interval)
    return Estimate(images, right / images, low, high)


def share_of_groups(
    correct: NDArray[np.bool_] | NDArray[np.float64],
    groups: Sequence[str],
    confidence_level: float,
    weights: NDArray[np.float64] | None = None,
) -> Estimate:
    """The share of images that are right, with an interval that knows that images of one person go together.

    Ten photos of a person say less than one photo each of ten people. So Wilson's interval is taken with as many images
    as would say as much if each was of another person (the design effect: Kish, Survey Sampling, 1965; of a ratio of
    cluster totals: Cochran, Sampling Techniques, 1977, section 9.7), and with Student's t for so many people. It is
    never narrower than that of independent images. Of a single person nothing is known: 0 to 1.

    Args:
        correct: ``(n,)``, whether each image is answered right, or by what share of several networks.
        groups: ``n`` names; images of one person, or nearly the same picture, share one.
        confidence_level: of the interval, between 0 and 1.
        weights: ``(n,)``, how many images each stands for, the inverse of the probability that it was drawn with; one
            each by default. Unequal ones say less (Kish: the sum's square by the sum of squares).
    """
    images, people = len(correct), len(set(groups))
    weight = np.ones(images) if weights is None else weights
    total = float(weight.sum())
    share = float(weight @ correct) / total if images else 0.0
    if people < 2:
        return Estimate(images, share, 0.0, 1.0)
    group = np.unique(np.asarray(groups), return_inverse=True)[1]
    residuals = np.bincount(group, weight * correct) - share * np.bincount(group, weight)
    variance = people / (people - 1) * float(residuals @ residuals) / total**2
    independent = total**2 / float(weight @ weight)
    simple = share * (1 - share) / independent
    # Where all are right, or none, nothing can be said of the people's part: each then counts once.
    effect = variance / simple if np.any(correct < 1) and np.any(correct > 0) else independent / people
    return _wilson(images, share, independent / max(effect, 1.0), people, confidence_level)


def recall_of_groups(
    correct: NDArray[np.bool_],
    labels: Sequence[str] | NDArray[np.int64],
    groups: Sequence[str],
    confidence_level: float,
) -> Estimate:
    """Macro recall with an interval like that of `share_of_groups`.

    Two intervals are joined, each of which falls short where the other does not. The first holds where people are in
    several classes: macro recall is the share of images that are right where each class weighs the same, with the
    variance of a ratio in each class, by Taylor's series (Wolter, Introduction to Variance Estimation, 2007). The
    second holds where a class has few people, and puts together the intervals of the classes' recalls (MOVER: Zou and
    Donner, Construction of confidence limits about effect measures, 2008).

    Args:
        correct: ``(n,)``, whether each image is answered right; at least one.
        labels: ``n`` true classes.
        groups: ``n`` names; images of one person share one.
        confidence_level: of the interval, between 0 and 1.
    """
    of_class = np.unique(np.asarray(labels), return_inverse=True)[1]
    people = _over_people(correct, of_class, groups, confidence_level)
    classes = _over_classes(correct, of_class, groups, confidence_level)
    return Estimate(len(correct), people.value, min(people.low, classes.low), max(people.high, classes.high))


def _over_people(
    correct: NDArray[np.bool_], of_class: NDArray[np.intp], groups: Sequence[str], confidence_level: float
) -> Estimate:
    """By Taylor's series, as if each class had many people."""
    people, images = len(set(groups)), np.bincount(of_class)
    recalls = np.bincount(of_class, correct) / images
    share = float(recalls.mean())
    if people < 2:
        return Estimate(len(correct), share, 0.0, 1.0)
    weights = 1 / (len(images) * images[of_class])
    group = np.unique(np.asarray(groups), return_inverse=True)[1]
    residuals = np.bincount(group, weights * (correct - recalls[of_class]))
    variance = people / (people - 1) * float(residuals @ residuals)
    # As many images of equal weight say as much (Kish): no more than that, whatever the people.
    independent = 1 / float(weights @ weights)
    if 0 < share < 1:
        effective = min(independent, share * (1 - share) / variance) if variance else independent
    else:
        effective = 1 / float((np.bincount(group, weights) ** 2).sum())
    return _wilson(len(correct), share, effective, people, confidence_level)


def _over_classes(
    correct: NDArray[np.bool_], of_class: NDArray[np.intp], groups: Sequence[str], confidence_level: float
) -> Estimate:
    """From the intervals of the recalls, as if nobody were in several classes."""
    members, names = [of_class == index for index in range(int(of_class.max()) + 1)], np.asarray(groups)
    recalls = [share_of_groups(correct[of_one], list(names[of_one]), confidence_level) for of_one in members]
    share = float(np.mean([recall.value for recall in recalls]))
    below, above = (
        hypot(*(recall.value - end for recall, end in zip(recalls, ends, strict=True))) / len(recalls)
        for ends in ([recall.low for recall in recalls], [recall.high for recall in recalls])
    )
    return Estimate(len(correct), share, share - below, share + above)


def _wilson(images: int, share: float, effective: float, people: int, confidence_level: float) -> Estimate:
    """Wilson's interval as of ``effective`` images, with Student's t for so many people."""
    from scipy.stats import t

    quantile = float(t.ppf((1 + confidence_level) / 2, people - 1)) ** 2 / effective
    centre = (share + quantile / 2) / (1 + quantile)
    half = (quantile * (share * (1 - share) + quantile / 4)) ** 0.5 / (1 + quantile)
    return Estimate(images, share, max(centre - half, 0.0), min(centre + half, 1.0))
