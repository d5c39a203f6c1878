"""Room for pixels that do not fit in memory: unnamed files, which vanish with the process, also when it is killed."""

import os
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from facesent.core.errors import FacesentError

MEMORY_BUDGET = 1 << 29


class SpillError(FacesentError):
    """The disk has no room for what does not fit in memory."""


def unnamed_file(folder: Path | None) -> BinaryIO:
    """Open a file in ``folder`` that no name leads to; None takes the system's folder for such files.

    Raises:
        SpillError: if the folder takes none.
    """
    try:
        if folder:
            folder.mkdir(parents=True, exist_ok=True)
        return cast(BinaryIO, TemporaryFile(prefix="facesent-", dir=folder, buffering=0))
    except OSError as error:
        raise no_room(folder, error) from None


def pixel_array(shape: tuple[int, ...], folder: Path | None, *, budget: int = MEMORY_BUDGET) -> NDArray[np.uint8]:
    """Make an array to fill; over ``budget`` bytes it is mapped to an unnamed file in ``folder``.

    Raises:
        SpillError: if the disk has no room for it.
    """
    size = int(np.prod(shape, dtype=np.int64))
    if size <= budget:
        return np.empty(shape, np.uint8)
    with unnamed_file(folder) as file:
        try:
            # A hole that the disk has no room for would end the process when it is written to.
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)
        except OSError as error:
            raise no_room(folder, error) from None
        # The mapping outlives the closed file.
        return np.memmap(file, np.uint8, mode="r+" if hasattr(os, "posix_fallocate") else "w+", shape=shape)


def no_room(folder: Path | None, error: OSError) -> SpillError:
    """Say which disk was full and what to do."""
    where = folder or "the system's folder for temporary files"
    return SpillError(f"Expected free disk space in {where}. Received: {error}. Free some space or use smaller images.")
