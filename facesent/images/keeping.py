"""Training images as decoded, of any sizes, kept from their first use on."""

import os
from collections.abc import Callable, Sequence
from errno import ENOSPC
from pathlib import Path
from threading import Lock
from typing import BinaryIO

import cv2
import numpy as np

from facesent.images.reading import Pixels, Readable, decode, naming
from facesent.images.spill import MEMORY_BUDGET, no_room, unnamed_file

# A bilinear warp mixes 2x2 pixels and skips what lies between, which shows as aliasing: measured against the mean over
# each pixel's area, one warp from up to this scale is as true as resizing first, or truer; beyond it shrinking helps.
LARGEST_SCALE = 1.6


class DecodedImages:
    """A sequence of ``(height, width, 3)`` images, each decoded at its first use; by any threads, in any order.

    Images stay in memory until the budget is spent; further ones go to one unnamed file. That file is read, not
    mapped: what was read does not count as the process's memory, and a failing disk is an error, not a signal.

    Args:
        decoded: gives an image by its index. Over ``LARGEST_SCALE`` times the side it is shrunk to that.
        count: images.
        side: of the squares that will be made of them, in pixels.
        budget: bytes of memory to keep images in.
        spill: folder of the unnamed file; by default the system's.
    """

    def __init__(
        self,
        decoded: Callable[[int], Pixels],
        count: int,
        side: int,
        *,
        budget: int = MEMORY_BUDGET,
        spill: Path | None = None,
    ) -> None:
        self.side = side
        self._decoded = decoded
        self._largest = round(LARGEST_SCALE * side)
        # One block, of which the system gives what is written to: no heap in pieces, and large pages.
        self._memory = np.empty(min(budget, count * 3 * self._largest**2), np.uint8)
        self._memory_end = 0
        self._spill = spill
        self._file: BinaryIO | None = None
        self._file_end = 0
        # Of each image where it begins, counted through memory and on through the file.
        self._offsets = np.zeros(count, np.int64)
        self._shapes = np.zeros((count, 3), np.int32)
        self._begun = np.zeros(count, np.bool_)
        self._kept = np.zeros(count, np.bool_)
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def __getitem__(self, index: int) -> Pixels:
        """One image: ``(height, width, 3)``, not to be written to.

        Raises:
            ImageError: it cannot be decoded.
            SpillError: the disk is full.
        """
        if self._kept[index]:
            return self._again(index)
        image = _shrink(self._decoded(index), self._largest)
        offset = self._reserve(index, image.nbytes)
        if offset is not None:
            self._keep(index, image, offset)
        return image

    def _again(self, index: int) -> Pixels:
        offset = int(self._offsets[index])
        height, width, channels = map(int, self._shapes[index])
        if offset < len(self._memory):
            return self._memory[offset : offset + height * width * channels].reshape(height, width, channels)
        return self._read(offset - len(self._memory), (height, width, channels))

    def _reserve(self, index: int, size: int) -> int | None:
        """Where the image will begin; None where another thread came first."""
        with self._lock:
            if self._begun[index]:
                return None
            if self._memory_end + size <= len(self._memory):
                offset, self._memory_end = self._memory_end, self._memory_end + size
            else:
                if self._file is None:
                    self._file = unnamed_file(self._spill)
                offset, self._file_end = len(self._memory) + self._file_end, self._file_end + size
            self._begun[index] = True
            return offset

    def _keep(self, index: int, image: Pixels, offset: int) -> None:
        if offset < len(self._memory):
            self._memory[offset : offset + image.nbytes] = image.reshape(-1)
        else:
            self._write(image, offset - len(self._memory))
        self._offsets[index] = offset
        self._shapes[index] = image.shape
        self._kept[index] = True  # last: from here on other threads take it

    def _read(self, offset: int, shape: tuple[int, int, int]) -> Pixels:
        assert self._file is not None  # noqa: S101  # _reserve opened it
        image = np.empty(shape, np.uint8)
        if os.preadv(self._file.fileno(), [image.data], offset) < image.nbytes:
            raise OSError(f"Expected {image.nbytes} bytes at {offset} of the unnamed file. Received: fewer.")
        return image

    def _write(self, image: Pixels, offset: int) -> None:
        assert self._file is not None  # noqa: S101  # _reserve opened it
        try:
            if os.pwrite(self._file.fileno(), image.data, offset) < image.nbytes:
                raise OSError(ENOSPC, os.strerror(ENOSPC))
        except OSError as error:
            raise no_room(self._spill, error) from None


def decoded_files(
    paths: Sequence[Readable], side: int, *, budget: int = MEMORY_BUDGET, spill: Path | None = None
) -> DecodedImages:
    """The images of files; the arguments are those of ``DecodedImages``. An ImageError names the file."""

    def decoded(index: int) -> Pixels:
        with naming(paths[index]):
            return decode(paths[index].read_bytes(), side)

    return DecodedImages(decoded, len(paths), side, budget=budget, spill=spill)


def _shrink(image: Pixels, largest: int) -> Pixels:
    height, width = image.shape[:2]
    if max(height, width) <= largest:
        return image
    size = (min(width, largest), min(height, largest))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
