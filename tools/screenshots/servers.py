"""The project's servers, on free ports of this machine; each ends with the block that needs it."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.projects import environment
from facesent.core.ports import HOST, free_port

_PATIENCE = 240.0  # seconds
_GRACE = 20.0
_QUIET = {
    "DO_NOT_TRACK": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}


def quiet_environment(root: Path) -> dict[str, str]:
    """Of a process in the project that tells nobody outside of this machine that it ran."""
    return {**environment(root), **_QUIET}


@contextmanager
def prefect_server(root: Path) -> Iterator[str]:
    """Prefect's pages and API; the address."""
    port = free_port()
    command = [_program("prefect"), "server", "start", "--host", HOST, "--port", str(port)]
    # Its pages would ask the default port.
    api = {"PREFECT_SERVER_UI_API_URL": f"http://{HOST}:{port}/api"}
    with _serving(command, port, root, "/api/health", api) as address:
        yield address


@contextmanager
def mlflow_server(root: Path) -> Iterator[str]:
    """``mlflow ui``; the address."""
    port = free_port()
    command = [_program("mlflow"), "ui", "--host", HOST, "--port", str(port), "--workers", "1"]
    with _serving(command, port, root, "/health") as address:
        yield address


@contextmanager
def app_server(root: Path) -> Iterator[str]:
    """``facesent app``; the address."""
    port = free_port()
    command = [sys.executable, "-m", "facesent.cli", "app", "--no-browser", "--port", str(port)]
    with _serving(command, port, root, "/_stcore/health") as address:
        yield address


def _program(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


@contextmanager
def _serving(
    command: Sequence[str], port: int, root: Path, health: str, settings: Mapping[str, str] | None = None
) -> Iterator[str]:
    """Run a server until the block ends.

    Raises:
        RuntimeError: it ended, or did not answer.
    """
    address = f"http://{HOST}:{port}"
    log = root / ".dvc" / "tmp" / f"server-{port}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        # A group of its own: servers start workers, which have to end with them.
        process = subprocess.Popen(
            command,
            cwd=root,
            env={**quiet_environment(root), **(settings or {})},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            _wait(process, address + health, log)
            yield address
        finally:
            _end(process)


def _wait(process: "subprocess.Popen[bytes]", address: str, log: Path) -> None:
    due = time.monotonic() + _PATIENCE
    while time.monotonic() < due and process.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=5):  # noqa: S310 - an address of ours
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    said = log.read_text(encoding="utf-8", errors="replace")[-2000:]
    raise RuntimeError(f"Expected {address} to answer within {_PATIENCE:.0f} s. Received: no answer.\n{said}")


def _end(process: "subprocess.Popen[bytes]") -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(_GRACE)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue
