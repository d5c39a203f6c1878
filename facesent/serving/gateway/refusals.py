"""What a client did wrong, in one sentence that holds nothing of its photos."""

import json
import re
from http import HTTPStatus

from mlflow.exceptions import MlflowException

_SHOWN_CHARACTERS = 400
# MLflow puts the whole input before an error's message.
_INPUT = re.compile(r"^Failed to predict data .*\nError: ", re.DOTALL)
_BASE64 = re.compile(r"[A-Za-z0-9+/=_-]{48,}")


class Refusal(Exception):
    """A request that is not answered.

    Args:
        status: of HTTP.
        reason: a word for it, which metrics count by.
        message: what was expected, and what was received.
        retry_seconds: after which it may be tried again.
    """

    def __init__(self, status: HTTPStatus, reason: str, message: str, retry_seconds: int | None = None) -> None:
        super().__init__(message)
        self.status, self.reason, self.message, self.retry_seconds = status, reason, message, retry_seconds

    def body(self) -> bytes:
        """As MLflow writes an error."""
        code = "INTERNAL_ERROR" if self.status >= HTTPStatus.INTERNAL_SERVER_ERROR else "BAD_REQUEST"
        return json.dumps({"error_code": code, "message": self.message}).encode()


def malformed(error: Exception) -> Refusal:
    """The refusal of a body that MLflow could not read."""
    if isinstance(error, RecursionError):
        return _bad("nesting", "Expected JSON with a few levels. Received: JSON that is nested too deeply.")
    message = error.message if isinstance(error, MlflowException) else str(error)
    return _bad("form", without_photos(message))


def unanswerable(error: Exception) -> Refusal:
    """The refusal of rows that the model, or MLflow's check of its columns, raised something for."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, MlflowException):
        return _bad("input", without_photos(error.message))
    return Refusal(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "failure",
        "Expected an answer from the model. Received: an error; see the server's log.",
    )


def without_photos(message: str) -> str:
    """A message without the photos that it quotes."""
    return _BASE64.sub("…", _INPUT.sub("", message))[:_SHOWN_CHARACTERS].strip()


def _bad(reason: str, message: str) -> Refusal:
    return Refusal(HTTPStatus.BAD_REQUEST, reason, message)
