"""Random numbers that depend on seed, epoch and image alone, in whatever order images come."""

from collections.abc import Mapping
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

Uniform = NDArray[np.float64]


class Stream(IntEnum):
    """What numbers are for; each has its own, so that switching one on leaves the others' as they are."""

    GEOMETRY = 0
    ORDER = 1
    OCCLUSION = 2
    PHOTOMETRIC = 3
    MIXING = 4


Draws = Mapping[Stream, Uniform]


def generator(seed: int, epoch: int, stream: Stream) -> np.random.Generator:
    """The numbers of one stream in one epoch."""
    return np.random.Generator(np.random.Philox(key=[seed, (stream << 32) + epoch]))


def uniform(seed: int, epoch: int, stream: Stream, images: int, columns: int) -> Uniform:
    """Uniform numbers for one epoch: row ``i`` belongs to image ``i``.

    Returns:
        ``(images, columns)``, each in [0, 1).
    """
    return generator(seed, epoch, stream).random((images, columns))
