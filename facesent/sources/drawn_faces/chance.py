"""Random draws that are the same on every machine."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Item = TypeVar("Item")


class Chance:
    """A stream of draws with its own 128-bit key, so that any picture can be drawn without the others.

    Only raw integers and uniform doubles are taken from NumPy: its normal and exponential draws call the
    platform's ``exp`` and ``log``, whose last bits differ.
    """

    def __init__(self, seed: int, person: int, image: int) -> None:
        """Key the stream; ``person`` and ``image`` are below 2**32, ``image`` 0 is the person itself."""
        key = np.array([seed, person << 32 | image], np.uint64)
        self._generator = np.random.Generator(np.random.Philox(key=key))

    def between(self, low: float, high: float) -> float:
        """Uniform in [low, high)."""
        return low + (high - low) * float(self._generator.random())

    def around(self, centre: float, reach: float) -> float:
        """Triangular on centre ± reach."""
        return centre + self.between(-reach, reach) / 2 + self.between(-reach, reach) / 2

    def below(self, stop: int) -> int:
        """Uniform integer in [0, stop)."""
        return int(self._generator.integers(stop))

    def happens(self, probability: float) -> bool:
        """True with the given probability."""
        return self.between(0, 1) < probability

    def pick(self, items: Sequence[Item], weights: Sequence[float] | None = None) -> Item:
        """One of ``items``; ``weights`` need not sum to one."""
        if weights is None:
            return items[self.below(len(items))]
        left = self.between(0, sum(weights))
        for item, weight in zip(items, weights, strict=True):
            left -= weight
            if left < 0:
                return item
        return items[-1]

    def shuffled(self, items: Sequence[Item]) -> list[Item]:
        """All of ``items`` in a random order."""
        rest = list(items)
        return [rest.pop(self.below(len(rest))) for _ in items]

    def noise(self, shape: tuple[int, ...], amplitude: int) -> NDArray[np.int32]:
        """Triangular integer noise on ±2 · ``amplitude``."""
        draws = self._generator.integers(-amplitude, amplitude + 1, size=(2, *shape), dtype=np.int32)
        return np.asarray(draws.sum(axis=0), dtype=np.int32)
