"""What came of a process's requests, for the one that started it."""

from collections import deque
from collections.abc import Mapping
from dataclasses import asdict
from http import HTTPStatus
from typing import Any

from .shadow import Compared

# A line of the dialogue has 64 KiB.
_LAST = 1000


class Tally:
    """Counts since the process accepts, and the times of its last answers.

    Attributes:
        compared: what came of copies of requests, while there are any.
    """

    def __init__(self) -> None:
        self._requests = self._failed = 0
        self._seconds: deque[tuple[float, int]] = deque(maxlen=_LAST)
        self.compared: Compared | None = None

    def answered(self, seconds: float, at_once: int) -> None:
        """Count an answer, and so many requests that were worked on at its beginning."""
        self._requests += 1
        self._seconds.append((round(seconds, 4), at_once))

    def refused(self, status: HTTPStatus) -> None:
        """Count a request that the server failed to answer; those that clients spoilt say nothing."""
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            self._requests += 1
            self._failed += 1

    def as_dict(self) -> Mapping[str, Any]:
        """As the dialogue has it."""
        compared = self.compared and asdict(self.compared)
        return {
            "requests": self._requests, "failed": self._failed, "seconds": list(self._seconds), "compared": compared
        }  # fmt: skip
