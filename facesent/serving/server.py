"""The server that ``mlflow models serve`` starts, for the length of a block; it can get ready before that."""

import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import IO

import psutil

from facesent.core.errors import FacesentError
from facesent.core.ports import HOST, free_port
from facesent.core.programs import Process, Standby, child_environment, members, process_group, tell
from facesent.serving import server_log

PROGRAM = Path(__file__).with_name("mlflow_server.py")
_START_SECONDS = 300.0
_STARTS = 3
_PAUSE_SECONDS = 0.05
_PING_SECONDS = 10.0
_LAST_WORD_SECONDS = 10.0
# Not a crash of its own, such as -11; it turns SIGTERM into a status.
_KILLED = (-signal.SIGKILL, -signal.SIGTERM, 128 + signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP)


class ServerError(FacesentError):
    """The server did not start; the first line of the message says why, the others are the end of its log."""


class ServerKilledError(ServerError):
    """Somebody ended the server, or the system did for want of memory."""


class _PortTakenError(ServerError):
    pass


@dataclass(frozen=True)
class ModelServer:
    """A server that answers.

    Attributes:
        port: where it listens on this machine, and on no other address; 0 while it waits for a model.
        process: its process, which leads a group of its own.
        log: what it writes.
    """

    port: int
    process: Process
    log: IO[bytes]

    @property
    def pid(self) -> int:
        """Id of its process and of its group."""
        return self.process.pid

    @property
    def address(self) -> str:
        """Where it is asked."""
        return f"http://{HOST}:{self.port}/invocations"

    def memory(self) -> int:
        """Resident bytes of all its processes; what two of them share counts twice."""
        return sum(_resident(process) for process in members(self.pid))

    def why_it_ended(self) -> str | None:
        """The last error of its log, if it has ended or is about to."""
        with suppress(subprocess.TimeoutExpired):
            status = self.process.wait(_LAST_WORD_SECONDS)
            return f"it ended with status {status}: {server_log.reason(self.log)}"
        return None

    def was_killed(self) -> bool:
        """Whether it was ended from outside."""
        return self.process.poll() in _KILLED


def standby() -> Standby[ModelServer]:
    """Room for a server that gets ready before it is known what it has to serve."""
    return Standby(_begun, lambda server: server.process)


@contextmanager
def served(uri: str, *, waiting: Standby[ModelServer] | None = None) -> Iterator[ModelServer]:
    """Serve a model while the block runs; nothing of the server outlives it, nor this process if that is killed.

    Args:
        uri: MLflow's, such as ``models:/facesent/3``.
        waiting: where one may be ready.

    Raises:
        ServerError: it did not answer in time.
    """
    deadline = time.monotonic() + _START_SECONDS
    with ExitStack() as stack:
        for start in range(_STARTS):
            try:
                server = stack.enter_context(_started(uri, waiting or standby(), deadline))
                break
            except _PortTakenError:
                if start == _STARTS - 1:
                    raise
        yield server


@contextmanager
def _started(uri: str, waiting: Standby[ModelServer], deadline: float) -> Iterator[ModelServer]:
    with waiting.taken() as begun:
        server = replace(begun, port=free_port())
        tell(server.process, {"uri": uri, "host": HOST, "port": server.port})
        _wait_until_ready(server, uri, deadline)
        yield server


@contextmanager
def _begun() -> Iterator[ModelServer]:
    """A server that has not been told what to serve."""
    with (
        tempfile.TemporaryFile() as log,
        process_group(
            [sys.executable, "-P", str(PROGRAM)], Path(), child_environment(), lifeline=True, stdout=log
        ) as process,
    ):
        yield ModelServer(0, process, log)


def _wait_until_ready(server: ModelServer, uri: str, deadline: float) -> None:
    what = f"Expected `mlflow models serve -m {uri} --env-manager local` to answer."
    while not (pings(server) and _listens(server)):
        with suppress(subprocess.TimeoutExpired):
            server.process.wait(_PAUSE_SECONDS)
            raise _kind_of(server)(f"{what} Received: {server.why_it_ended()}\n{server_log.tail(server.log)}")
        if time.monotonic() > deadline:
            raise ServerError(f"{what} Received: no answer in time.\n{server_log.tail(server.log)}")


def _kind_of(ended: ModelServer) -> type[ServerError]:
    if server_log.says_port_is_taken(ended.log):
        return _PortTakenError
    return ServerKilledError if ended.was_killed() else ServerError


def pings(server: ModelServer, seconds: float = _PING_SECONDS) -> bool:
    """Whether the server says within ``seconds`` that it is well."""
    connection = HTTPConnection(HOST, server.port, timeout=seconds)
    try:
        connection.request("GET", "/ping")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def _listens(server: ModelServer) -> bool:
    """Whether it is this server that answers, not one that took the port while this one was loading."""
    for process in members(server.pid):
        with suppress(psutil.Error):
            for connection in process.net_connections("tcp"):
                if connection.status == psutil.CONN_LISTEN and connection.laddr.port == server.port:
                    return True
    return False


def _resident(process: psutil.Process) -> int:
    with suppress(psutil.NoSuchProcess):
        return int(process.memory_info().rss)
    return 0
