"""Clients that ask a server all at once and remember what it answered: threads of a process that does no more."""

import json
import socket
import struct
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from random import Random
from threading import Lock, local

from benchmarks.bad_requests import Expected, Request, bad_requests
from facesent.core.ports import HOST
from facesent.serving.client import photos_body
from facesent.serving.server import ModelServer

CLIENTS = 16
GOOD = "good"
MEMORY_EVERY = 50
_SEED = 5
_BAD_SHARE = 0.2
TIMEOUT_SECONDS = 120


@dataclass(frozen=True)
class Reply:
    """What came back; ``status`` is 0 where the server gave no answer."""

    request: Request
    status: int
    seconds: float
    text: bytes = field(repr=False)
    difference: float = 0.0


@dataclass(frozen=True)
class Load:
    """All replies in the order they came, and what was seen meanwhile.

    Attributes:
        replies: one a request.
        seconds: from the first request to the last reply.
        own_seconds: processor time that the clients took of it.
        memory: the server's bytes after each ``MEMORY_EVERY`` replies.
    """

    replies: Sequence[Reply]
    seconds: float
    own_seconds: float
    memory: Sequence[int]


def load(server: ModelServer, photos: Sequence[bytes], count: int) -> Load:
    """Ask ``count`` times, one in five of them badly; each photo is asked about once before, to compare with.

    Args:
        server: which answers.
        photos: whole image files.
        count: requests in all.
    """
    requests = plan(photos, count)
    before = {body: _answer(server, body) for body in map(_body, photos)}
    clients, lock = local(), Lock()
    replies: list[Reply] = []
    memory: list[int] = []

    def send(request: Request) -> None:
        if not hasattr(clients, "connection"):
            clients.connection = HTTPConnection(HOST, server.port, timeout=TIMEOUT_SECONDS)
        if request.expected is Expected.NOTHING:
            reply = _hang_up(server, request)
        else:
            reply = _compared(_ask(clients.connection, request), before)
        with lock:
            replies.append(reply)
            if len(replies) % MEMORY_EVERY == 0:
                memory.append(server.memory())
            if len(replies) % 1000 == 0:
                print(f"{len(replies)} of {count} requests", file=sys.stderr, flush=True)

    start, worked = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(CLIENTS) as pool:
        for _ in pool.map(send, requests):
            pass
    return Load(replies, time.perf_counter() - start, time.process_time() - worked, memory)


def _body(photo: bytes) -> bytes:
    return photos_body([photo])


def _answer(server: ModelServer, body: bytes) -> bytes:
    reply = ask(server, Request(GOOD, body, Expected.ANSWERED))
    if reply.status != 200:
        raise RuntimeError(f"Expected predictions before the load. Received: {reply.status} {reply.text[-500:]!r}")
    return reply.text


def ask(server: ModelServer, request: Request) -> Reply:
    """One request over a connection of its own."""
    return _ask(HTTPConnection(HOST, server.port, timeout=TIMEOUT_SECONDS), request)


def plan(photos: Sequence[bytes], count: int) -> list[Request]:
    """The requests in the order they are sent: the bad ones at random places, the same each time."""
    bad = bad_requests(photos, int(count * _BAD_SHARE), _SEED)
    bodies = list(map(_body, photos))
    good = [Request(GOOD, bodies[index % len(bodies)], Expected.ANSWERED) for index in range(count - len(bad))]
    requests = [*good, *bad]
    Random(_SEED).shuffle(requests)  # noqa: S311
    return requests


def _ask(connection: HTTPConnection, request: Request) -> Reply:
    start = time.perf_counter()
    try:
        connection.request("POST", "/invocations", request.body, _headers(request))
        response = connection.getresponse()
        status, text = response.status, response.read()
        if status >= 500:
            # Uvicorn closes it after an exception, without having said so.
            connection.close()
    except (OSError, HTTPException) as error:
        connection.close()
        status, text = 0, repr(error).encode()
    return Reply(request, status, time.perf_counter() - start, text)


def _headers(request: Request) -> dict[str, str]:
    return {} if request.content_type is None else {"Content-Type": request.content_type}


def _hang_up(server: ModelServer, request: Request) -> Reply:
    """Send a part and reset the connection, as a client that is killed."""
    lines = ["POST /invocations HTTP/1.1", f"Host: {HOST}", f"Content-Length: {len(request.body)}"]
    lines += [f"{name}: {value}" for name, value in _headers(request).items()]
    whole = "\r\n".join([*lines, "", ""]).encode() + request.body
    # The server may have refused the head by itself, and closed.
    with suppress(OSError), socket.create_connection((HOST, server.port), timeout=TIMEOUT_SECONDS) as connection:
        connection.sendall(whole[: int(len(whole) * request.share)])
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return Reply(request, 0, 0.0, b"")


def _compared(reply: Reply, before: Mapping[bytes, bytes]) -> Reply:
    """A good photo's reply with how far it is from the one before; of others only what may show a stack trace."""
    if reply.request.kind != GOOD or reply.status != 200:
        return Reply(reply.request, reply.status, reply.seconds, reply.text[-20_000:])
    expected = before[reply.request.body]
    apart = 0.0 if reply.text == expected else difference(reply.text, expected)
    return Reply(reply.request, reply.status, reply.seconds, b"", apart)


def difference(text: bytes, expected: bytes) -> float:
    """The greatest between two answers' probabilities; infinite where they differ in more than numbers."""
    [one], [other] = (json.loads(each)["predictions"] for each in (text, expected))
    if one["label"] != other["label"] or set(one) != set(other):
        return float("inf")
    ours, theirs = one["probabilities"], other["probabilities"]
    return max(abs(float(ours[label]) - float(theirs[label])) for label in theirs)
