"""What `facesent serve` does where the folder for its own files cannot be written."""

import asyncio
import json
import math
import sys
import time
from asyncio.subprocess import PIPE
from dataclasses import replace
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

import pytest

from facesent.core.errors import FacesentError
from facesent.serving.address import Address
from facesent.serving.changes import Watched, Withdrawn
from facesent.serving.follow import Registry, _Follower
from facesent.serving.objections import Tallied
from facesent.serving.questions import Questions
from facesent.serving.settings import Server
from facesent.serving.workers import Worker

BOUNDS = Server(max_body_mb=1, max_rows=1, max_requests=1, request_seconds=1, poll_seconds=1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One in which nothing can be made: a file has its name."""
    (tmp_path / "folder").touch()
    return tmp_path / "folder"


def follower(folder: Path, said: list[str]) -> _Follower:
    def questions(version: int) -> Questions:
        raise AssertionError(f"Nothing is loaded here. Received: {version}")

    registry = Registry(lambda: 1, questions, str, lambda *_: None, lambda *_: None)
    address = Address("127.0.0.1", 0)
    with address.listen() as listener:
        return _Follower(address, listener, 1, BOUNDS, registry, said.append, folder, None)


def test_a_state_that_cannot_be_written_costs_a_line(folder: Path) -> None:
    said: list[str] = []
    server = follower(folder, said)
    for _ in range(2):
        server._write_state()
    assert [line.partition(": ")[0] for line in said] == ["The state cannot be shown"]
    folder.unlink()
    server._write_state()
    assert json.loads((folder / "state.json").read_text())["status"] == "ok"


def test_an_alias_that_could_not_be_moved_is_moved_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    server, moved = follower(tmp_path, said), list[int]()

    def roll_back(version: int, to: int, why: str) -> None:
        moved.append(version)
        if len(moved) == 1:
            raise FacesentError("MLflow is away")

    server._registry = replace(server._registry, wanted=lambda: 2, roll_back=roll_back)
    server._version, server._withdrawn = 1, Withdrawn(2, 1, "slow")
    asyncio.run(server._move_alias(server._withdrawn))
    assert server._withdrawn.alias == "not moved: MLflow is away"
    asyncio.run(server._follow())
    assert moved == [2], "not at once"
    assert server._withdrawn.not_moved
    server._withdrawn.not_moved.since = -math.inf
    asyncio.run(server._follow())
    assert moved == [2, 2]
    assert server._withdrawn.alias == "moved"


def test_an_answer_that_comes_too_late_is_not_taken_for_the_next(tmp_path: Path) -> None:
    # It answers the first question with the second.
    program = "input(); input(); print('{\"n\": 1}'); print('{\"n\": 2}', flush=True)"

    async def asked() -> object:
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdin=PIPE, stdout=PIPE)
        worker = Worker(process, tmp_path)
        with pytest.raises(TimeoutError):
            await worker._ask(0.01, tally=True)
        said = await worker._ask(60, tally=True)
        await process.wait()
        return said

    assert asyncio.run(asked()) == {"n": 2}


@pytest.mark.parametrize(("accepted", "ended"), [(True, 1), (False, 0)])
def test_only_a_process_that_clients_could_ask_speaks_against_its_version_and_does_so_once(
    folder: Path, accepted: bool, ended: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Not after the variable is set, by which it would write files all the while.
    import_module("prometheus_client")
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(folder.parent))
    said: list[str] = []

    async def watched() -> Watched:
        server, process = follower(folder, said), await asyncio.create_subprocess_exec("true", stdin=PIPE, stdout=PIPE)
        worker = Worker(process, folder)
        if accepted:
            await worker.accept()
        await process.wait()
        server._serving = [worker]
        server._watched = Watched(1, Tallied(), time.monotonic() + 60, datetime.now(UTC))
        for _ in range(2):
            await server._replace_ended()
        return server._watched

    assert asyncio.run(watched()).ended == ended
    # No other one could be started in its place.
    assert [line for line in said if line.startswith("It could not: ")] == said[1::2]
    assert len(said) == 4
