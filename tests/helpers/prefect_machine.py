"""A machine that runs Prefect's commands as the docs have them."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import httpx
import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import DeploymentUpdate
from prefect.client.schemas.filters import DeploymentFilter
from prefect.client.schemas.objects import FlowRun

from facesent.core.ports import free_port
from tests.helpers.processes import ended_with_block

BIN = Path(sys.executable).parent


class Machine:
    """The commands of the README, in a project of their own with a server on a free port."""

    def __init__(self, project: Path, logs: Path, **variables: str) -> None:
        self.project = project
        self.logs = logs
        self.port = free_port()
        self.api = f"http://127.0.0.1:{self.port}/api"
        path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
        # As from a tool that sets the working folder alone.
        self.environment = {**os.environ, "PATH": path, "PWD": "/nowhere", "PREFECT_API_URL": self.api, **variables}

    def prefect(self, *arguments: str) -> str:
        done = subprocess.run(
            [BIN / "prefect", *arguments],
            cwd=self.project,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    @contextmanager
    def running(self, *arguments: str) -> Iterator[None]:
        """A command that goes on until the end of the block."""
        with (self.logs / f"{arguments[0]}.log").open("w") as log, ended_with_block(self._start(arguments, log)):
            yield

    def _start(self, arguments: tuple[str, ...], log: TextIO) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [BIN / "prefect", *arguments], cwd=self.project, env=self.environment, stdout=log, stderr=log
        )

    def wait_until_healthy(self) -> None:
        deadline = time.monotonic() + 180
        while time.monotonic() < deadline:
            try:
                if httpx.get(f"{self.api}/health").is_success:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.5)
        pytest.fail((self.logs / "server.log").read_text())

    def log(self) -> str:
        return (self.logs / "worker.log").read_text()


def finished_run(client: SyncPrefectClient, machine: Machine, name: str = "nightly") -> FlowRun:
    """A deployment's first run, once it has ended; it is paused as soon as that run has begun."""
    nightly = DeploymentFilter.model_validate({"name": {"any_": [name]}})
    deadline = time.monotonic() + 480
    paused = False
    while time.monotonic() < deadline:
        begun = [run for run in client.read_flow_runs(deployment_filter=nightly) if run.start_time]
        if begun and begun[0].deployment_id and not paused:
            client.update_deployment(begun[0].deployment_id, DeploymentUpdate(paused=True))
            paused = True
        if ended := [run for run in begun if run.state and run.state.is_final()]:
            return ended[0]
        time.sleep(1)
    pytest.fail(f"no scheduled run ended\n{machine.log()}")
