"""A multivariate cumulative sum over hours of how far their answers are from a frozen baseline.

The means of an hour are compared with those of the baseline's hours, in units of the covariance between hours. The sums
are Crosier's (1988, Technometrics 30): a vector that a lasting change lets grow in one direction, that shrinks by an
allowance at each step. The allowance is what a day may be away by itself. The threshold is found by drawing blocks of
hours from the baseline (Kunsch 1989, Annals of Statistics 17): each time a baseline is made of the drawn ones and the
sums of those that were not drawn, so that what a short baseline does not know of itself raises the threshold too.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.covariance import ledoit_wolf

from facesent.core.errors import FacesentError
from facesent.watch.settings import LEAST_BLOCKS

Numbers = NDArray[np.float64]

# Nine baselines of ten keep the promise.
_PROMISE = 0.9
_PATHS = 400
# Where alarms come at random, so far apart in the mean: the probability of none in that time.
_QUIET = float(np.exp(-1))
# In units of the usual distance of an hour, so that no odd hour is an alarm by itself.
_FARTHEST = 3.0


class BaselineError(FacesentError):
    """There is too little to compare with."""


@dataclass(frozen=True)
class Normal:
    """What the answers of an hour look like.

    Attributes:
        mean: ``(features,)``.
        whitening: makes differences from it uncorrelated and of unit variance, ``(features, features)``.
    """

    mean: Numbers
    whitening: Numbers

    @classmethod
    def of(cls, hours: Numbers) -> "Normal":
        """Estimate it, with the covariance shrunk (Ledoit and Wolf 2004, doi:10.1016/S0047-259X(03)00096-4).

        Args:
            hours: the mean of each, ``(hours, features)``.
        """
        scale = hours.std(axis=0)
        scale[scale == 0] = 1.0
        covariance, _ = ledoit_wolf(hours / scale)
        variances, axes = np.linalg.eigh(covariance)
        return cls(hours.mean(axis=0), axes / np.sqrt(np.maximum(variances, 1e-9)) / scale[:, None])

    def _whitened(self, values: Numbers) -> Numbers:
        return np.asarray((values - self.mean) @ self.whitening)

    def lengths(self, values: Numbers) -> Numbers:
        """How far values, ``(…, features)``, are from usual."""
        return np.asarray(np.linalg.norm(self._whitened(values), axis=-1))

    def differences(self, hours: Numbers) -> Numbers:
        """Those of hours, ``(…, features)``, with far ones drawn nearer."""
        differences = self._whitened(hours)
        lengths = np.linalg.norm(differences, axis=-1, keepdims=True)
        farthest = _FARTHEST * np.sqrt(len(self.mean))
        return np.asarray(differences * np.minimum(1.0, farthest / np.maximum(lengths, farthest)))


@dataclass(frozen=True)
class Alarm:
    """When to raise it.

    Attributes:
        normal: what hours look like.
        allowance: by which an hour may be away without the sum growing.
        threshold: of the sum.
    """

    normal: Normal
    allowance: float
    threshold: float

    def sums(self, hours: Numbers) -> Numbers:
        """The sum after each hour, ``(hours,)``; above the threshold it is an alarm.

        Args:
            hours: the mean of each, ``(hours, features)``.
        """
        return np.asarray(_sums(self.normal.differences(hours)[None], self.allowance)[0])


def learn(hours: Numbers, *, quiet_hours: int, block_hours: int, resamples: int, seed: int) -> Alarm:
    """Freeze a baseline, and find the threshold that keeps the promise.

    Args:
        hours: the mean of each hour of the baseline in their order, ``(hours, features)``.
        quiet_hours: hours between two false alarms, in the mean, for nine baselines of ten.
        block_hours: hours that are drawn together.
        resamples: baselines that are drawn.
        seed: of them.

    Raises:
        BaselineError: the hours are fewer than four blocks.
    """
    count = len(hours) // block_hours
    if count < LEAST_BLOCKS:
        raise BaselineError(
            f"Expected at least {LEAST_BLOCKS * block_hours} hours with answers. Received: {len(hours)}."
        )
    blocks = hours[: count * block_hours].reshape(count, block_hours, -1)
    chance = np.random.default_rng(seed)
    left = [_left_out(blocks, chance) for _ in range(resamples)]
    days = np.concatenate([np.linalg.norm(each.mean(axis=1), axis=-1) for each in left])
    allowance = float(np.quantile(days, _PROMISE))
    thresholds = [_threshold(each, allowance, quiet_hours, chance) for each in left]
    return Alarm(Normal.of(hours), allowance, float(np.quantile(thresholds, _PROMISE)))


def _left_out(blocks: Numbers, chance: np.random.Generator) -> Numbers:
    """Make a baseline of drawn blocks; the differences of those that were not drawn, ``(blocks, hours, features)``."""
    others: list[int] = []
    while not others:
        drawn = chance.integers(len(blocks), size=len(blocks))
        others = sorted(set(range(len(blocks))) - set(drawn.tolist()))
    normal = Normal.of(blocks[drawn].reshape(-1, blocks.shape[-1]))
    return normal.differences(blocks[others])


def _threshold(differences: Numbers, allowance: float, quiet_hours: int, chance: np.random.Generator) -> float:
    """The highest sum within ``quiet_hours`` that paths of such blocks stay below as often as the promise asks."""
    drawn = chance.integers(len(differences), size=(_PATHS, -(-quiet_hours // differences.shape[1])))
    paths = differences[drawn].reshape(_PATHS, -1, differences.shape[-1])[:, :quiet_hours]
    return float(np.quantile(_sums(paths, allowance).max(axis=1), _QUIET))


def _sums(paths: Numbers, allowance: float) -> Numbers:
    """The length of Crosier's sum after each hour, ``(paths, hours)``, for ``(paths, hours, features)``."""
    total = np.zeros((len(paths), paths.shape[-1]))
    lengths = np.zeros(paths.shape[:2])
    for hour in range(paths.shape[1]):
        total = total + paths[:, hour]
        length = np.linalg.norm(total, axis=-1, keepdims=True)
        total = total * np.maximum(0.0, 1.0 - allowance / np.maximum(length, 1e-12))
        lengths[:, hour] = np.linalg.norm(total, axis=-1)
    return lengths
