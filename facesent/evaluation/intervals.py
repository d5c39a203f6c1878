"""How sure a share of images is."""

from dataclasses import dataclass

from scipy.stats import binomtest


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
    interval = binomtest(right, images).proportion_ci(confidence_level, method="wilson")
    # Rounding leaves 1e-17 of what is 0 or 1.
    low, high = (float(min(max(end, 0.0), 1.0)) for end in interval)
    return Estimate(images, right / images, low, high)
