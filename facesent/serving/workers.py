"""Processes that serve a version each, beside the code of that version, at one address."""

import asyncio
import json
import shutil
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from socket import socket
from typing import Any

from facesent.core.errors import FacesentError
from facesent.core.programs import child_environment
from facesent.serving.gateway.settings import GatewaySettings

_GATEWAY = Path(__file__).with_name("gateway")
# Under a name of its own, as the version brings a facesent.
_PROGRAM = """
import sys
from importlib.util import module_from_spec, spec_from_file_location

folder = sys.argv[1]
spec = spec_from_file_location("facesent_gateway", folder + "/__init__.py", submodule_search_locations=[folder])
sys.modules[spec.name] = module_from_spec(spec)
spec.loader.exec_module(sys.modules[spec.name])
from facesent_gateway.worker import main

main(sys.argv[2:])
"""
_LOAD_SECONDS = 300.0
_GRACE_SECONDS = 5.0
_TALLY_SECONDS = 5.0
_LONGEST_LINE = 2**20


def worker_command(listener: socket, settings: GatewaySettings) -> list[str]:
    """The command of a process that serves at ``listener``, of which it has to inherit the file descriptor."""
    return [sys.executable, "-P", "-c", _PROGRAM, str(_GATEWAY), str(listener.fileno()), settings.to_json()]


def worker_environment(scratch: Path, metrics: Path, *, without: tuple[str, ...] = ()) -> dict[str, str]:
    """Its variables.

    Args:
        scratch: its folder for temporary files.
        metrics: where the processes of a server keep their counts.
        without: as ``child_environment`` takes it.
    """
    variables = {"PROMETHEUS_MULTIPROC_DIR": str(metrics), "TMPDIR": str(scratch), "TF_CPP_MIN_LOG_LEVEL": "3"}
    return child_environment(variables, without=without)


class WorkerError(FacesentError):
    """A process could not load a version, or ended while it did."""


class Worker:
    """One process, from its start to its end."""

    def __init__(self, process: asyncio.subprocess.Process, scratch: Path) -> None:
        if process.stdin is None or process.stdout is None:
            raise ValueError("Expected a process with pipes for its input and output.")
        self._process, self._scratch = process, scratch
        self._told, self._said = process.stdin, process.stdout
        self._owed = 0
        self.folder: Path | None = None
        """Of the model that it has loaded, or is to load."""
        self.port = 0
        """Where it can be asked once it has loaded a version."""
        self.accepts = False
        """Whether it was let accept at the address of all, and nobody ended it since."""

    @classmethod
    async def start(cls, listener: socket, settings: GatewaySettings, scratch: Path, metrics: Path) -> "Worker":
        """Start a process that has no version yet; it imports what it will need.

        Args:
            listener: the address of all, at which it will accept.
            settings: its bounds.
            scratch: a folder of its own for temporary files, removed with it.
            metrics: where the processes of a server keep their counts.
        """
        scratch.mkdir()
        process = await asyncio.create_subprocess_exec(
            *worker_command(listener, settings),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=worker_environment(scratch, metrics),
            pass_fds=[listener.fileno()],
            process_group=0,
            limit=_LONGEST_LINE,
        )
        return cls(process, scratch)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def status(self) -> int | None:
        """Its exit status once it has ended."""
        return self._process.returncode

    async def load(self, model: Path) -> None:
        """Let it load a model from its folder; then it can be asked at its ``port``.

        Raises:
            WorkerError: it cannot.
        """
        try:
            said = await self._ask(_LOAD_SECONDS, load=str(model))
        except TimeoutError:
            raise WorkerError(f"Expected it to load within {_LOAD_SECONDS:.0f} seconds.") from None
        if "asked_at" not in said:
            raise WorkerError(said.get("failed") or f"The process ended with status {await self._process.wait()}.")
        self.port = int(said["asked_at"])

    async def mirror(self, port: int | None, most: int = 0) -> None:
        """Let it copy its next requests to the process at ``port``, so many at most; None for no more."""
        await self._tell(mirror=port, most=most)

    async def tally(self) -> Mapping[str, Any]:
        """What came of its requests since it accepts; nothing of one that has ended."""
        with suppress(TimeoutError):
            return await self._ask(_TALLY_SECONDS, tally=True)
        return {}

    async def accept(self) -> None:
        """Let it accept at the address of all."""
        await self._tell(accept=True)
        self.accepts = True

    async def drain(self, seconds: float) -> None:
        """Let it answer those who are connected to it, accept nobody else, and end; wait for that so long."""
        await self._tell(drain=True)
        await self._wait(seconds)

    async def end(self, seconds: float = _GRACE_SECONDS) -> None:
        """Let it end with what it is answering, for which it has so long."""
        self.accepts = False
        self._told.close()
        await self._wait(seconds)
        with suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        shutil.rmtree(self._scratch, ignore_errors=True)

    async def _wait(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._process.wait()

    async def _ask(self, seconds: float, **words: Any) -> Mapping[str, Any]:
        """What it says back; nothing if it has ended.

        Raises:
            TimeoutError: it says nothing.
        """
        await self._tell(**words)
        self._owed += 1
        async with asyncio.timeout(seconds):
            # What it says too late to an earlier question comes first.
            while self._owed:
                line = await self._said.readline()
                # Of one that was killed at it there is a part of a line.
                ended = not line.endswith(b"\n")
                self._owed = 0 if ended else self._owed - 1
        said: Mapping[str, Any] = {} if ended else json.loads(line)
        return said

    async def _tell(self, **words: Any) -> None:
        # One that has ended is found by its status.
        with suppress(ConnectionError):
            self._told.write(json.dumps(words).encode() + b"\n")
            await self._told.drain()
