"""The ASGI application: MLflow's paths with MLflow's bytes, and ``/health``, ``/metrics`` and ``/docs``."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar

from mlflow.version import VERSION

from . import metrics
from .answers.store import FOLDER, WATCHED
from .asking import Answer, Model, ask
from .doors import Doors, Incoming, Receive
from .feedback import Feedback, client_address, subject_of
from .observing import Observer
from .refusals import Refusal
from .settings import GatewaySettings, Scope
from .shadow import Mirror
from .tally import Tally

Send = Callable[[dict[str, Any]], Awaitable[None]]

_DOCS = Path(__file__).with_name("docs.html")
_JSON = "application/json"
# They decode photos at once; the network's passes take turns.
_THREADS = 16
# Apart from those and from the pages', which a database that does not answer must not hold.
_CORRECTION_THREADS = 2

Result = TypeVar("Result")


@dataclass(frozen=True)
class _Response:
    status: HTTPStatus
    body: bytes
    media_type: str
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Gateway:
    """Answers for one model until its process ends.

    Args:
        model: what MLflow loaded.
        settings: bounds and tokens.
    """

    def __init__(self, model: Model, settings: GatewaySettings) -> None:
        self._model, self._settings, self._doors = model, settings, Doors(settings)
        self._observer = Observer(model)
        self._feedback = Feedback(settings.log) if settings.log else None
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="answer")
        self._corrections = ThreadPoolExecutor(_CORRECTION_THREADS, thread_name_prefix="correction")
        self.in_service = False
        """Whether answers are counted: those of a trial are not."""
        self.closing = False
        """Whether clients are told to connect again for their next request."""
        self.tally = Tally()
        """What came of the requests in service."""
        self._mirror: Mirror | None = None
        self._pages: Mapping[str, tuple[Scope | None, Callable[[], tuple[bytes, str]]]] = {
            # The first two as MLflow's server says them.
            "/ping": (None, lambda: (b"\n", _JSON)),
            "/version": (None, lambda: (VERSION.encode(), _JSON)),
            "/health": (None, lambda: (Path(settings.state_file).read_bytes(), _JSON)),
            "/metrics": (
                "operate",
                lambda: (metrics.exposition(FOLDER / WATCHED), "text/plain; version=0.0.4; charset=utf-8"),
            ),
            "/docs": (None, lambda: (_DOCS.read_bytes(), "text/html; charset=utf-8")),
        }

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request of HTTP."""
        if scope["type"] != "http":
            return
        incoming = Incoming(receive)
        try:
            response = await self._response(scope, incoming)
        except Refusal as refusal:
            retry = () if refusal.retry_seconds is None else ((b"retry-after", str(refusal.retry_seconds).encode()),)
            response = _Response(refusal.status, refusal.body(), _JSON, retry)
        except ConnectionError:
            return
        await incoming.discard()
        await self._send(send, response, last=incoming.more or self.closing)

    async def _response(self, scope: Mapping[str, Any], receive: Receive) -> _Response:
        headers, path, method = dict(scope["headers"]), scope["path"], scope["method"]
        if path == "/invocations":
            _check_method(method, "POST")
            return await self._counted(headers, receive, client_address(scope))
        if path == "/feedback":
            _check_method(method, "POST")
            return await self._corrected(headers, receive, client_address(scope))
        if path not in self._pages:
            raise Refusal(HTTPStatus.NOT_FOUND, "path", f"Expected /invocations, /feedback, {', '.join(self._pages)}.")
        _check_method(method, "GET")
        asked_for, page = self._pages[path]
        if asked_for:
            self._doors.check_sender(headers, asked_for)
        body, media_type = await asyncio.to_thread(page)
        return _Response(HTTPStatus.OK, body, media_type)

    def mirror(self, port: int | None, most: int) -> None:
        """Copy requests that are answered from now on to another process of this machine.

        Args:
            port: where it is asked; None for no more copies.
            most: of them.
        """
        if self._mirror:
            self._mirror.close()
        token, seconds = self._settings.tokens.get("ask"), self._settings.request_seconds
        self._mirror = Mirror(port, most, token, seconds) if port else None
        self.tally.compared = self._mirror.compared if self._mirror else None

    def close(self) -> None:
        """Write what is still to be written of answers that were given."""
        if self._feedback:
            self._feedback.close()

    async def _counted(self, headers: Mapping[bytes, bytes], receive: Receive, client: str | None) -> _Response:
        try:
            subject = subject_of(headers)
            answer = await self._answer(headers, receive)
        except Refusal as refusal:
            if self.in_service:
                metrics.count_request(refusal.status, refusal.reason)
                if refusal.status == HTTPStatus.GATEWAY_TIMEOUT:
                    metrics.seconds.observe(self._settings.request_seconds)
                self.tally.refused(refusal.status)
            raise
        if self.in_service:
            metrics.count_request(HTTPStatus.OK)
            metrics.count_answers(answer.predictions)
        return _Response(HTTPStatus.OK, answer.body, answer.media_type, self._logged(answer, client, subject))

    def _logged(self, answer: Answer, client: str | None, subject: str | None) -> tuple[tuple[bytes, bytes], ...]:
        if not self._feedback:
            return ()
        if not self.in_service:
            self._feedback.learn(answer.predictions)
            return ()
        return self._feedback.put(answer, client, subject)

    async def _corrected(self, headers: Mapping[bytes, bytes], receive: Receive, client: str | None) -> _Response:
        self._doors.check_sender(headers, "correct")
        if not self._feedback:
            raise Refusal(HTTPStatus.NOT_FOUND, "log", "Expected log.enabled: true in params.yaml on the server.")
        with ExitStack() as place:
            place.enter_context(self._doors.a_place())
            body = await self._doors.body(headers, receive)
            await self._in_time(self._corrections, partial(self._feedback.correct, headers, body, client), place)
        return _Response(HTTPStatus.ACCEPTED, b'{"status": "waiting"}', _JSON)

    async def _answer(self, headers: Mapping[bytes, bytes], receive: Receive) -> Answer:
        self._doors.check_sender(headers, "ask")
        content_type = headers.get(b"content-type", b"").decode("latin-1")
        if not content_type:
            message = "Expected a Content-Type, such as application/json. Received: none."
            raise Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "content type", message)
        with ExitStack() as place:
            place.enter_context(self._doors.a_place())
            body = await self._doors.body(headers, receive)
            start, at_once = time.perf_counter(), self._doors.open
            call = partial(ask, self._model, body, content_type, self._settings.max_rows, self._observer)
            answer = await self._in_time(self._pool, call, place)
        seconds = time.perf_counter() - start
        answer = replace(answer, seconds=seconds)
        if self.in_service:
            metrics.seconds.observe(seconds)
            self.tally.answered(seconds, at_once)
        if self._mirror:
            self._mirror.put(body, content_type, answer)
        return answer

    async def _in_time(self, pool: ThreadPoolExecutor, call: Callable[[], Result], place: ExitStack) -> Result:
        """What a thread makes of a request.

        Raises:
            Refusal: it takes too long; one that has begun works on, in its place.
        """
        loop, work = asyncio.get_running_loop(), pool.submit(call)
        try:
            async with asyncio.timeout(self._settings.request_seconds):
                return await asyncio.shield(asyncio.wrap_future(work))
        except TimeoutError:
            # Those that still wait for a thread would be worked on for nobody, before those whom somebody awaits.
            if not work.cancel():
                held = place.pop_all()
                work.add_done_callback(lambda _: loop.call_soon_threadsafe(held.close))
            message = f"Expected an answer within {self._settings.request_seconds:g} seconds. Try again later."
            raise Refusal(HTTPStatus.GATEWAY_TIMEOUT, "timeout", message) from None

    async def _send(self, send: Send, response: _Response, *, last: bool) -> None:
        headers = [
            (b"content-length", str(len(response.body)).encode()),
            (b"content-type", response.media_type.encode()),
            *response.headers,
        ]
        if last:
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        await send({"type": "http.response.body", "body": response.body})


def _check_method(method: str, expected: str) -> None:
    if method != expected:
        raise Refusal(HTTPStatus.METHOD_NOT_ALLOWED, "method", f"Expected {expected}. Received: {method}.")
