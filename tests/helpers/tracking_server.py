"""MLflow's tracking server, started and stopped."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.helpers.processes import ended_with_block

_MLFLOW = Path(sys.executable).parent / "mlflow"


@contextmanager
def tracking_server(
    folder: Path,
    port: int,
    *options: str,
    store: str = "sqlite:///mlflow.db",
    artifacts: str = "artifacts",
    **variables: str,
) -> Iterator[None]:
    """Answers on this port while the block runs.

    Args:
        folder: where it runs.
        port: of 127.0.0.1.
        options: further ones of ``mlflow server``.
        store: its database.
        artifacts: where it keeps them.
        variables: further ones of its environment.
    """
    command = [str(_MLFLOW), "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1", *options]
    quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen(
            [*command, "--backend-store-uri", store, "--artifacts-destination", artifacts],
            cwd=folder, env={**os.environ, **quiet, **variables}, stdout=log, stderr=log,
        )  # fmt: skip
        with ended_with_block(process):
            _wait_until_healthy(f"http://127.0.0.1:{port}/health", process)
            yield


def _wait_until_healthy(address: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(address).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    pytest.fail("the tracking server did not start")
