"""The servers that `faults` has beside the flow: Prefect's for many flows, and MLflow's, which goes and comes back."""

import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from threading import Event, Thread

from facesent.core.ports import HOST, free_port
from facesent.core.programs import child_environment, process_group, python, tied

_START_SECONDS = 180.0


class Server:
    """A server on this machine that may be away for a while.

    Args:
        arguments: of this interpreter, after ``-m``; host and port are added.
        folder: where it runs.
        health: the path that answers when it is ready.
        database: where it keeps what it is told.
        variables: for its process.
    """

    def __init__(
        self, arguments: Sequence[str], folder: Path, health: str, database: Path, variables: Mapping[str, str]
    ) -> None:
        self._port = free_port()
        self.address, self.database = f"http://{HOST}:{self._port}", database
        self._command = tied(python(*arguments, "--host", HOST, "--port", str(self._port)))
        self._folder, self._health = folder, health
        self._variables = child_environment(variables, without=("MLFLOW_", "PREFECT_"))
        self._group, self._returns, self._over = ExitStack(), Thread(), Event()

    def start(self) -> None:
        """Start it and wait until it answers."""
        self._folder.mkdir(exist_ok=True)
        log = self._group.enter_context((self._folder / "server.log").open("ab"))
        group = process_group(self._command, self._folder, self._variables, lifeline=True, stdout=log, grace_seconds=0)
        self._process = self._group.enter_context(group)
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise RuntimeError(f"Expected an answer of {self.address}{self._health}. Received: none.")
            time.sleep(0.2)

    def stop(self) -> None:
        """End it for good."""
        self._over.set()
        if self._returns.ident:
            self._returns.join()
        self._group.close()

    def pause(self, seconds: float) -> None:
        """Let it answer nobody for so long, from now on."""
        os.killpg(self._process.pid, signal.SIGSTOP)
        self._later(seconds, lambda: os.killpg(self._process.pid, signal.SIGCONT))

    def restart(self, seconds: float) -> None:
        """Let it be gone for so long, from now on, and then start again."""
        self._group.close()
        self._later(seconds, self.start)

    def come_back(self) -> None:
        """Wait until it is there again."""
        self._returns.join()

    def _later(self, seconds: float, act: Callable[[], None]) -> None:
        def wait() -> None:
            self._over.wait(seconds)
            act()

        self._returns = Thread(target=wait)
        self._returns.start()

    def _answers(self) -> bool:
        connection = HTTPConnection(HOST, self._port, timeout=5)
        try:
            connection.request("GET", self._health)
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()


@contextmanager
def prefect_server(folder: Path) -> Iterator[Server]:
    """One for all flows that don't have their own."""
    variables = {
        "PREFECT_HOME": str(folder),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_UI_ENABLED": "false",
    }
    with _running(
        Server(["prefect", "server", "start"], folder, "/api/health", folder / "prefect.db", variables)
    ) as server:
        yield server


@contextmanager
def mlflow_server(folder: Path) -> Iterator[Server]:
    """A tracking server and registry whose store is in the folder."""
    store = ("--backend-store-uri", "sqlite:///mlflow.db", "--artifacts-destination", "artifacts", "--workers", "1")
    variables = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with _running(Server(["mlflow", "server", *store], folder, "/health", folder / "mlflow.db", variables)) as server:
        yield server


@contextmanager
def _running(server: Server) -> Iterator[Server]:
    try:
        server.start()
        yield server
    finally:
        server.stop()
