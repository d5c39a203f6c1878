"""A process that serves one version: it is told on standard input what to load, when to accept and when to end.

Each line of the dialogue is JSON. To it: ``{"load": FOLDER}``, ``{"accept": true}``, ``{"drain": true}``; from it:
``{"asked_at": PORT}``, where it can be tried before it accepts at the address of all, or ``{"failed": WHY}``. While it
accepts: ``{"mirror": PORT, "most": COPIES}``, with null for no more, and ``{"tally": true}``, which it answers by what
``Tally`` holds. It also ends when its standard input does, with the process that started it.
"""

import asyncio
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import IO, Any, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from .app import Gateway
from .asking import Model
from .settings import TOKEN_VARIABLES, GatewaySettings, Scope

_HOST = "127.0.0.1"
_KEEP_ALIVE_SECONDS = 15
# A client that says nothing has its connection for so long.
_SILENCE_SECONDS = 10.0
_PAUSE_SECONDS = 0.05
_QUIET_SECONDS = 0.5
_CONNECTIONS = 1024


class _Protocol(HttpToolsProtocol):
    """HTTP with a bound on how long the headers of a request may take."""

    _silence: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait_for_headers()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._wait_for_headers()

    def on_headers_complete(self) -> None:
        self._stop_waiting()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait_for_headers(self) -> None:
        self._stop_waiting()
        self._silence = self.loop.call_later(_SILENCE_SECONDS, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._silence:
            self._silence.cancel()


class _Server(uvicorn.Server):
    """One that can take a further address, and leave it to others again."""

    async def accept(self, listener: socket.socket) -> None:
        private = self.servers
        await self.startup(sockets=[listener])
        self.servers += private

    async def leave(self, gateway: Gateway) -> None:
        """Let others accept, answer who is connected here, and end."""
        gateway.closing = True
        # Not close at once: asyncio would drop those that are accepted and have no transport yet.
        for server in self.servers:
            for listener in server.sockets:
                asyncio.get_running_loop().remove_reader(listener.fileno())
        quiet = 0.0
        while quiet < _QUIET_SECONDS:
            await asyncio.sleep(_PAUSE_SECONDS)
            quiet = 0.0 if self.server_state.connections else quiet + _PAUSE_SECONDS
        self.should_exit = True


def main(arguments: list[str]) -> None:
    """Run until told to end.

    Args:
        arguments: the file descriptor of the common listening socket, and ``GatewaySettings`` as JSON.
    """
    # Whatever libraries print is no part of the dialogue.
    dialogue = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    # Ctrl-C is the starter's, which tells its processes.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    settings = GatewaySettings.from_json(arguments[1], _tokens())
    model = _loaded(dialogue)
    if model is not None:
        # uvicorn ends at one, and then raises it again, here: answers that wait are still written to the log.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        asyncio.run(_serve(Gateway(model, settings), socket.socket(fileno=int(arguments[0])), dialogue))


def _tokens() -> dict[Scope, str]:
    return {scope: token for scope, name in TOKEN_VARIABLES.items() if (token := os.environ.pop(name, ""))}


def _loaded(dialogue: IO[str]) -> Model | None:
    """The model that standard input names; None where it does not, or it could not be loaded."""
    with _quiet():
        # Imported while the starter asks the registry what to serve.
        import tensorflow  # noqa: F401
        from mlflow.pyfunc import load_model

        if not (line := sys.stdin.readline()):
            return None
        try:
            return cast(Model, load_model(json.loads(line)["load"]))
        except Exception as error:
            _say(dialogue, failed=f"{type(error).__name__}: {error}")
            return None


@contextmanager
def _quiet() -> Iterator[None]:
    """Drop what TensorFlow notes about this machine, which no variable keeps it from; errors are told by hand."""
    kept = os.dup(2)
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


async def _serve(gateway: Gateway, listener: socket.socket, dialogue: IO[str]) -> None:
    private = socket.create_server((_HOST, 0))
    # By the time that it is told, the socket may be closed again.
    port = private.getsockname()[1]
    config = uvicorn.Config(
        gateway, http=_Protocol, lifespan="off", ws="none", access_log=False, log_level="error",
        server_header=False, timeout_keep_alive=_KEEP_ALIVE_SECONDS, limit_concurrency=_CONNECTIONS,
    )  # fmt: skip
    server = _Server(config)
    commands = _Dialogue(gateway, server, listener, dialogue)
    telling = asyncio.create_task(_say_where(server, port, dialogue))
    Thread(target=commands.listen, name="dialogue", daemon=True).start()
    await server.serve(sockets=[private])
    telling.cancel()
    gateway.close()


async def _say_where(server: _Server, port: int, dialogue: IO[str]) -> None:
    while not server.started:
        await asyncio.sleep(_PAUSE_SECONDS)
    _say(dialogue, asked_at=port)


class _Dialogue:
    """What the starter says, and is done in the loop in which this is made."""

    def __init__(self, gateway: Gateway, server: _Server, listener: socket.socket, dialogue: IO[str]) -> None:
        self._gateway, self._server, self._listener, self._dialogue = gateway, server, listener, dialogue
        self._loop = asyncio.get_running_loop()
        self._tasks = set[asyncio.Task[None]]()

    def listen(self) -> None:
        """Hear commands until there are none any more, which is one to end."""
        for line in sys.stdin:
            self._loop.call_soon_threadsafe(self._obey, json.loads(line))
        self._loop.call_soon_threadsafe(self._obey, {"end": True})

    def _obey(self, command: dict[str, Any]) -> None:
        if "accept" in command:
            self._gateway.in_service = True
            self._tasks.add(self._loop.create_task(self._server.accept(self._listener)))
        elif "mirror" in command:
            self._gateway.mirror(command["mirror"], command["most"])
        elif "tally" in command:
            _say(self._dialogue, **self._gateway.tally.as_dict())
        elif "drain" in command:
            self._tasks.add(self._loop.create_task(self._server.leave(self._gateway)))
        else:
            self._server.should_exit = True


def _say(dialogue: IO[str], **words: Any) -> None:
    dialogue.write(json.dumps(words) + "\n")
    dialogue.flush()
