"""Copies of real requests for a version that is about to take over: out of the clients' way, and kept nowhere."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from math import isfinite
from queue import Full, Queue
from threading import Thread
from time import perf_counter
from typing import Any

from .asking import Answer

_HOST = "127.0.0.1"
# Whole requests: what does not fit is not copied.
_WAITING = 4


@dataclass
class Compared:
    """What came of the copies so far.

    Attributes:
        copies: that were answered, or not.
        faces: of their answers.
        agreed: faces with the label that the client got.
        seconds: that each took, and that the client's took.
        wrong: what was wrong with the first that was not answered as it has to be.
    """

    copies: int = 0
    faces: int = 0
    agreed: int = 0
    seconds: list[tuple[float, float]] = field(default_factory=list)
    wrong: str = ""


class Mirror:
    """Asks another process of this machine what was asked here, one request after the other, in a thread of its own.

    Args:
        port: of the other process.
        most: copies; then it is done.
        token: that it wants to see.
        timeout_seconds: in which it has to answer.
    """

    def __init__(self, port: int, most: int, token: str | None, timeout_seconds: float) -> None:
        self._port, self._most, self._timeout = port, most, timeout_seconds
        self._authorization = {"Authorization": f"Bearer {token}"} if token else {}
        self._waiting: Queue[tuple[bytes, str, Answer] | None] = Queue(_WAITING)
        self.compared = Compared()
        Thread(target=self._work, name="shadow", daemon=True).start()

    def put(self, body: bytes, content_type: str, answer: Answer) -> None:
        """Hand over a request that was answered; returns at once."""
        if self._is_done:
            return
        with suppress(Full):
            self._waiting.put_nowait((body, content_type, answer))

    def close(self) -> None:
        """Copy nothing more."""
        self._most = 0
        with suppress(Full):
            self._waiting.put_nowait(None)

    @property
    def _is_done(self) -> bool:
        return self.compared.copies >= self._most or bool(self.compared.wrong)

    def _work(self) -> None:
        while not self._is_done and (copied := self._waiting.get()):
            self._compare(*copied)
        # With the photos in it.
        self._waiting = Queue(_WAITING)

    def _compare(self, body: bytes, content_type: str, answer: Answer) -> None:
        start, found = perf_counter(), self.compared
        predictions, wrong = self._asked(body, content_type, answer)
        if not wrong:
            found.seconds.append((round(perf_counter() - start, 5), round(answer.seconds or 0.0, 5)))
            labels = [[each.get("label") for each in said] for said in (predictions, answer.predictions)]
            found.faces += max(map(len, labels))
            found.agreed += sum(mine == theirs for mine, theirs in zip(*labels, strict=False))
        found.wrong = wrong
        found.copies += 1

    def _asked(self, body: bytes, content_type: str, answer: Answer) -> tuple[Sequence[Mapping[str, Any]], str]:
        """The predictions, or what was wrong with them, where the client got ``answer``."""
        connection = HTTPConnection(_HOST, self._port, timeout=self._timeout)
        try:
            connection.request("POST", "/invocations", body, {"Content-Type": content_type, **self._authorization})
            response = connection.getresponse()
            text = response.read()
        except (OSError, HTTPException) as error:
            return (), f"{type(error).__name__}: {error}"
        finally:
            connection.close()
        try:
            predictions: Any = json.loads(text)["predictions"] if response.status == 200 else None
            is_finite = _is_finite(predictions)
        except (ValueError, KeyError, TypeError, AttributeError):
            predictions, is_finite = None, False
        # A table without rows is answered by none.
        if predictions is None or (answer.predictions and not predictions):
            return (), f"{response.status} {text[:200]!r}"
        return predictions, "" if is_finite else "an answer with a number that is not finite"


def _is_finite(predictions: Sequence[Mapping[str, Any]]) -> bool:
    numbers = [
        number for each in predictions for number in (each.get("confidence"), *each.get("probabilities", {}).values())
    ]
    return all(isinstance(number, int | float) and isfinite(number) for number in numbers)
