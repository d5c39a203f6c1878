"""Who may come in, and how much they may bring: tokens, names, sizes, times, and how many at once."""

import asyncio
import hmac
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http import HTTPStatus
from typing import Any

from . import metrics
from .refusals import Refusal
from .settings import TOKEN_VARIABLES, GatewaySettings, Scope

Receive = Callable[[], Awaitable[Mapping[str, Any]]]

_DISCARD_SECONDS = 2.0
_RETRY_SECONDS = 1


class Incoming:
    """The body of a request, as it comes.

    Args:
        receive: of ASGI.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.more = True
        """Whether some of it may be still to come."""

    async def __call__(self) -> Mapping[str, Any]:
        """The next message."""
        message = await self._receive()
        self.more = bool(message.get("more_body"))
        return message

    async def discard(self) -> None:
        """Let go what nobody reads, for a while.

        A client that still sends when the connection is closed would not read why; and while it sends after its answer,
        nothing ends the connection of one that stops halfway.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(_DISCARD_SECONDS):
                while self.more:
                    await self()


class Doors:
    """Checks each request before anything is worked on.

    Args:
        settings: the bounds.
    """

    def __init__(self, settings: GatewaySettings) -> None:
        self._settings = settings
        self.open = 0
        """Requests that are worked on or wait now."""

    def check_sender(self, headers: Mapping[bytes, bytes], scope: Scope) -> None:
        """Refuse who has no token for ``scope``, and a page of elsewhere that got this server's address by DNS.

        Raises:
            Refusal: if so.
        """
        settings = self._settings
        name = _host(headers.get(b"host", b""))
        if settings.hosts and name not in settings.hosts:
            raise Refusal(
                HTTPStatus.MISDIRECTED_REQUEST, "host", f"Expected one of the hosts {', '.join(settings.hosts)}."
            )
        if not settings.tokens:
            return
        if scope not in settings.tokens:
            raise Refusal(HTTPStatus.FORBIDDEN, "token", f"Expected {TOKEN_VARIABLES[scope]} to be set on the server.")
        shown = headers.get(b"authorization", b"")
        if not hmac.compare_digest(shown, f"Bearer {settings.tokens[scope]}".encode()):
            raise Refusal(
                HTTPStatus.UNAUTHORIZED, "token", f"Expected Authorization: Bearer with {TOKEN_VARIABLES[scope]}."
            )

    @contextmanager
    def a_place(self) -> Iterator[None]:
        """One of the places for requests at once.

        Raises:
            Refusal: all are taken.
        """
        if self.open >= self._settings.max_requests:
            message = f"Expected at most {self._settings.max_requests} concurrent requests. Try again in a second."
            raise Refusal(HTTPStatus.TOO_MANY_REQUESTS, "busy", message, _RETRY_SECONDS)
        self.open += 1
        metrics.open_requests.inc()
        try:
            yield
        finally:
            self.open -= 1
            metrics.open_requests.dec()

    async def body(self, headers: Mapping[bytes, bytes], receive: Receive) -> bytes:
        """The body of a request.

        Raises:
            Refusal: it is compressed, which would let it grow beyond all bounds, too large, or does not arrive.
            ConnectionError: the client has gone.
        """
        encoding = headers.get(b"content-encoding", b"").decode("latin-1")
        if encoding.lower() not in ("", "identity"):
            message = f"Expected a request without Content-Encoding. Received: {encoding:.40}. Send it uncompressed."
            raise Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "content encoding", message)
        announced = headers.get(b"content-length", b"0")
        try:
            if int(announced) > self._settings.max_body_bytes:
                raise self._too_large()
            async with asyncio.timeout(self._settings.request_seconds):
                return await self._read(receive)
        except TimeoutError:
            message = f"Expected the request within {self._settings.request_seconds:g} seconds."
            raise Refusal(HTTPStatus.REQUEST_TIMEOUT, "slow", message) from None

    async def _read(self, receive: Receive) -> bytes:
        parts, size = [], 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ConnectionError
            part = message.get("body", b"")
            parts.append(part)
            size += len(part)
            if size > self._settings.max_body_bytes:
                raise self._too_large()
            if not message.get("more_body"):
                return b"".join(parts)

    def _too_large(self) -> Refusal:
        message = f"Expected a request of at most {self._settings.max_body_bytes} bytes."
        return Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "bytes", message)


def _host(header: bytes) -> str:
    """The name in a header ``Host``, without its port."""
    text = header.decode("latin-1").lower()
    return text[: text.find("]") + 1] if text.startswith("[") else text.partition(":")[0]
