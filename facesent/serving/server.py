"""``mlflow models serve``, the server that people start, for the length of a block."""

import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from runpy import run_module
from typing import IO

import psutil

from facesent.core.errors import FacesentError
from facesent.core.lifeline import end_with_stdin
from facesent.core.programs import Process, environment, members, process_group, python
from facesent.serving import server_log

HOST = "127.0.0.1"

_START_SECONDS = 300.0
_STARTS = 3
_PAUSE_SECONDS = 0.2
_PING_SECONDS = 10.0
_LAST_WORD_SECONDS = 10.0
# Not a crash of its own, such as -11.
_KILLED = (-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP)


class ServerError(FacesentError):
    """The server did not start; the first line of the message says why, the others are the end of its log."""


class ServerKilledError(ServerError):
    """Somebody ended the server, or the system did for want of memory."""


class _PortTakenError(ServerError):
    pass


@dataclass(frozen=True)
class Server:
    """A server that answers.

    Attributes:
        port: where it listens on this machine, and on no other address.
        process: its first process, which leads a group of its own.
        log: what it writes.
    """

    port: int
    process: Process
    log: IO[bytes]

    @property
    def pid(self) -> int:
        """Id of its first process and of its group."""
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
        """Whether it, or the process that it started for MLflow, was ended from outside."""
        status = self.process.poll()
        return status in _KILLED or (status is not None and server_log.says_killed(self.log))


@contextmanager
def served(uri: str, *, start_seconds: float = _START_SECONDS) -> Iterator[Server]:
    """Serve a model while the block runs; nothing of the server outlives it, nor this process if that is killed.

    Args:
        uri: MLflow's, such as ``models:/facesent/3``.
        start_seconds: it has to answer within.

    Raises:
        ServerError: it did not.
    """
    deadline = time.monotonic() + start_seconds
    with ExitStack() as stack:
        for start in range(_STARTS):
            try:
                server = stack.enter_context(_started(uri, _free_port(), deadline))
                break
            except _PortTakenError:
                if start == _STARTS - 1:
                    raise
        yield server


@contextmanager
def _started(uri: str, port: int, deadline: float) -> Iterator[Server]:
    command = ["models", "serve", "-m", uri, "--env-manager", "local", "--host", HOST, "--port", str(port)]
    with (
        tempfile.TemporaryFile() as log,
        # MLflow looks for uvicorn on the path, which `environment` sees to.
        process_group(python(__name__, *command), Path(), environment(), lifeline=True, stdout=log) as process,
    ):
        server = Server(port, process, log)
        _wait_until_ready(server, uri, deadline)
        yield server


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _wait_until_ready(server: Server, uri: str, deadline: float) -> None:
    what = f"Expected `mlflow models serve -m {uri} --env-manager local` to answer."
    while not (pings(server) and _listens(server)):
        with suppress(subprocess.TimeoutExpired):
            server.process.wait(_PAUSE_SECONDS)
            raise _kind_of(server)(f"{what} Received: {server.why_it_ended()}\n{server_log.tail(server.log)}")
        if time.monotonic() > deadline:
            raise ServerError(f"{what} Received: no answer in time.\n{server_log.tail(server.log)}")


def _kind_of(ended: Server) -> type[ServerError]:
    if server_log.says_port_is_taken(ended.log):
        return _PortTakenError
    return ServerKilledError if ended.was_killed() else ServerError


def pings(server: Server, seconds: float = _PING_SECONDS) -> bool:
    """Whether the server says within ``seconds`` that it is well."""
    connection = HTTPConnection(HOST, server.port, timeout=seconds)
    try:
        connection.request("GET", "/ping")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def _listens(server: Server) -> bool:
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


if __name__ == "__main__":
    end_with_stdin()
    # MLflow fetches a model from a registry elsewhere into a folder for temporary files, and leaves it there.
    with tempfile.TemporaryDirectory(prefix="facesent-server-", ignore_cleanup_errors=True) as scratch:
        tempfile.tempdir = os.environ["TMPDIR"] = scratch
        try:
            run_module("mlflow", run_name="__main__", alter_sys=True)
        finally:
            # Only on Linux does MLflow see to it that its uvicorn ends with it.
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            os.killpg(0, signal.SIGTERM)
