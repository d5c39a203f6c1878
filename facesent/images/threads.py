"""Threads for pictures: Pillow and OpenCV let go of Python's lock while they work."""

import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

Item = TypeVar("Item")
Result = TypeVar("Result")

# A tenth of an equal share of a core that others want.
_BESIDE = 10


def image_threads(threads: int | None = None, *, initializer: Callable[[], None] | None = None) -> ThreadPoolExecutor:
    """A pool of ``threads``, by default as many as cores, each with a picture of its own."""
    # OpenCV's own threads would share one small picture, and contend with these for the cores.
    cv2.setNumThreads(1)
    return ThreadPoolExecutor(threads or cores(), thread_name_prefix="images", initializer=initializer)


def give_way() -> None:
    """Let this thread run where the others leave time: a step waits for the slowest of its threads.

    Linux alone gives each thread a priority of its own; elsewhere nothing changes.
    """
    if sys.platform == "linux":
        thread = threading.get_native_id()
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + _BESIDE)


class Scratch(threading.local):
    """A thread's memory for one picture at a time: the system may take far longer to give fresh memory than a job."""

    def __init__(self) -> None:
        self._block = np.empty(0, np.uint8)

    def picture(self, height: int, width: int, channels: int) -> NDArray[np.uint8]:
        """``(height, width, channels)`` to be written to; the thread's next call may give the same memory."""
        size = height * width * channels
        if size > len(self._block):
            self._block = np.empty(size, np.uint8)
        return self._block[:size].reshape(height, width, channels)


def map_ahead(
    job: Callable[[Item], Result], items: Iterable[Item], *, threads: int | None = None, ahead: int = 2
) -> Generator[Result, None, None]:
    """Yield ``job(item)`` in the order of ``items``, which may be endless.

    Work goes on in the threads while the caller uses what it got, and gives way to it: one item a thread is in work,
    and up to ``ahead`` results wait. Closing the iterator ends the threads.
    """
    threads = threads or cores()
    queue = iter(items)
    pool = image_threads(threads, initializer=give_way)
    try:
        waiting: deque[Future[Result]] = deque(pool.submit(job, item) for item in islice(queue, threads + ahead))
        while waiting:
            result = waiting.popleft().result()
            waiting.extend(pool.submit(job, item) for item in islice(queue, 1))
            yield result
    finally:
        pool.shutdown(cancel_futures=True)


def cores() -> int:
    """The processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
