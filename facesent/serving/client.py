"""A client of a server on this machine, at /invocations."""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from typing import Any

from facesent.core.ports import HOST

_SECONDS = 60.0
_SHOWN_CHARACTERS = 400


class SilenceError(Exception):
    """No reply came; the message says what came in its place."""


@dataclass(frozen=True)
class Reply:
    """What a server said; as text, its status and the beginning of its body.

    Attributes:
        status: of HTTP.
        body: whatever it holds.
    """

    status: int
    body: bytes

    @property
    def is_answer(self) -> bool:
        """Whether the server says that it answered."""
        return self.status == HTTPStatus.OK

    def predictions(self) -> list[Any]:
        """The answers, one a photo, as they are.

        Raises:
            ValueError: the body holds none.
        """
        try:
            return list(json.loads(self.body)["predictions"])
        except (KeyError, TypeError):
            raise ValueError("Expected predictions.") from None

    def __str__(self) -> str:
        return f"{self.status} {self.body[:_SHOWN_CHARACTERS].decode(errors='replace')!r}"


class Client:
    """A connection that is kept from one request to the next, until it is closed.

    Args:
        port: of the server.
        headers: to send along, such as a token.
    """

    def __init__(self, port: int, headers: Mapping[str, str] | None = None) -> None:
        self._connection = HTTPConnection(HOST, port, timeout=_SECONDS)
        self._headers = {"Content-Type": "application/json", **(headers or {})}

    def ask(self, body: bytes) -> Reply:
        """What the server says to a request.

        Raises:
            SilenceError: nothing.
        """
        try:
            self._connection.request("POST", "/invocations", body, self._headers)
            response = self._connection.getresponse()
            return Reply(response.status, response.read())
        except (OSError, HTTPException) as error:
            raise SilenceError(f"{type(error).__name__}: {error}") from None

    def close(self) -> None:
        """End the connection."""
        self._connection.close()


def photos_body(photos: Sequence[bytes]) -> bytes:
    """The JSON that asks about image files, a row each."""
    return table_body("image", [base64.b64encode(photo).decode() for photo in photos])


def table_body(column: str, values: Sequence[str]) -> bytes:
    """The JSON of a table of one column."""
    return json.dumps({"dataframe_split": {"columns": [column], "data": [[value] for value in values]}}).encode()
