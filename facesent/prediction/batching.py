"""Passes of a network that callers of several threads share: those who wait while one runs are in the next together."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from threading import Lock

import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.uint8]
Scores = NDArray[np.float32]


class Shared:
    """A function of images that is called once for many callers.

    Who comes alone is answered at once, as by the function itself: nobody waits for others to come.

    Args:
        function: from ``(n, …)`` to ``(n, …)``.
        most: images in one call.
    """

    def __init__(self, function: Callable[[Images], Scores], most: int = 64) -> None:
        self._function, self._most = function, most
        self._busy, self._order = Lock(), Lock()
        self._waiting: deque[tuple[Images, Future[Scores]]] = deque()

    def __call__(self, images: Images) -> Scores:
        """What the function gives for these images; an error of a call reaches all who shared it."""
        mine: Future[Scores] = Future()
        with self._order:
            self._waiting.append((images, mine))
        # Whoever holds the lock answers for others too, perhaps for this one.
        with self._busy:
            while not mine.done():
                self._answer(self._next())
        return mine.result()

    def _next(self) -> list[tuple[Images, Future[Scores]]]:
        """The first that wait, as many as fit; one caller's images stay together."""
        chosen: list[tuple[Images, Future[Scores]]] = []
        size = 0
        with self._order:
            while self._waiting and (not chosen or size + len(self._waiting[0][0]) <= self._most):
                chosen.append(self._waiting.popleft())
                size += len(chosen[-1][0])
        return chosen

    def _answer(self, chosen: list[tuple[Images, "Future[Scores]"]]) -> None:
        try:
            scores = self._function(np.concatenate([images for images, _ in chosen]) if chosen[1:] else chosen[0][0])
        except BaseException as error:
            for _, future in chosen:
                future.set_exception(error)
            return
        start = 0
        for images, future in chosen:
            future.set_result(scores[start : start + len(images)])
            start += len(images)
