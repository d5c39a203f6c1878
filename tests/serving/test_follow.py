"""What `facesent serve` does where the folder for its own files cannot be written."""

import asyncio
import errno
import json
import math
import sqlite3
import sys
from asyncio.subprocess import PIPE
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from threading import Event

import pytest

from facesent.core.errors import FacesentError
from facesent.serving.address import Address
from facesent.serving.changes import Probation, RolledBack
from facesent.serving.fleet import Fleet
from facesent.serving.gateway.settings import GatewaySettings
from facesent.serving.objections import Tallied
from facesent.serving.questions import Questions
from facesent.serving.releases import Release, Releases
from facesent.serving.rollout import RolloutController
from facesent.serving.settings import Server
from facesent.serving.state import StateFile
from facesent.serving.workers import Worker

BOUNDS = Server(max_body_mb=1, max_rows=1, max_requests=1, request_seconds=1, poll_seconds=1)
SETTINGS = GatewaySettings(1, 1, 1, 1, (), "state.json")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One in which nothing can be made: a file has its name."""
    (tmp_path / "folder").touch()
    return tmp_path / "folder"


def fleet(folder: Path, said: list[str], fetch: Callable[[int, Path], Release] | None = None) -> Fleet:
    def nothing(version: int, _: Path) -> Release:
        raise AssertionError(f"Nothing is loaded here. Received: {version}")

    with Address("127.0.0.1", 0).listen() as listener:
        return Fleet(listener, SETTINGS, 1, fetch or nothing, folder, said.append)


class Registry:
    """One that names version 2."""

    def wanted(self) -> int:
        return 2

    def fetch(self, version: int, folder: Path) -> Release:
        raise AssertionError(f"Nothing is loaded here. Received: {version}")

    def audited(self, version: int, since: datetime) -> None:
        return None

    def objection_to(self, version: int) -> str:
        return ""

    def roll_back(self, version: int, to: int, why: str) -> None:
        raise AssertionError(f"No alias is moved here. Received: {version}")


def controller(folder: Path, said: list[str], registry: Releases) -> RolloutController:
    """One that serves version 1."""
    processes = fleet(folder, said)
    processes.version = 1
    return RolloutController("", processes, registry, BOUNDS, StateFile(folder / "state", said.append), said.append)


def test_a_state_that_cannot_be_written_costs_a_line(folder: Path) -> None:
    said: list[str] = []
    state = StateFile(folder / "state.json", said.append)
    for _ in range(2):
        state.write({"status": "ok"})
    assert [line.partition(": ")[0] for line in said] == ["The state cannot be shown"]
    folder.unlink()
    state.write({"status": "ok"})
    assert json.loads((folder / "state.json").read_text())["status"] == "ok"


def test_an_alias_that_could_not_be_moved_is_moved_later(tmp_path: Path) -> None:
    said: list[str] = []
    moved: list[int] = []

    class Away(Registry):
        def roll_back(self, version: int, to: int, why: str) -> None:
            moved.append(version)
            if len(moved) == 1:
                raise FacesentError("MLflow is away")

    server = controller(tmp_path, said, Away())
    server._rolled_back = RolledBack(2, 1, "slow")
    asyncio.run(server._move_alias(server._rolled_back))
    assert server._rolled_back.alias == "not moved: MLflow is away"
    asyncio.run(server._follow())
    assert moved == [2], "not at once"
    assert server._rolled_back.not_moved
    server._rolled_back.not_moved.since = -math.inf
    asyncio.run(server._follow())
    assert moved == [2, 2]
    assert server._rolled_back.alias == "moved"


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ESTALE, "Stale file handle", "mlflow.db"),
        TimeoutError(errno.ETIMEDOUT, "Stale file handle", "mlflow.db"),
        sqlite3.OperationalError("Stale file handle: mlflow.db"),
    ],
    ids=["away", "timed out", "of SQLite"],
)
def test_a_registry_on_a_disk_that_goes_away_is_one_that_does_not_answer(tmp_path: Path, error: Exception) -> None:
    said: list[str] = []

    class Away(Registry):
        def wanted(self) -> int:
            raise error

        def roll_back(self, version: int, to: int, why: str) -> None:
            raise error

    server = controller(tmp_path, said, Away())
    asyncio.run(server._follow())
    assert said == ["The registry does not answer; version 1 still does: Stale file handle: mlflow.db"]
    asyncio.run(server._move_alias(given_up := RolledBack(2, 1, "slow")))
    assert given_up.alias == "not moved: Stale file handle: mlflow.db"


@pytest.mark.parametrize("answer", ["", "It knows somebody who was forgotten.", None], ids=["may", "may not", "away"])
def test_the_server_does_not_go_back_to_a_version_that_may_not_be_served(tmp_path: Path, answer: str | None) -> None:
    said: list[str] = []

    class Knowing(Registry):
        def objection_to(self, version: int) -> str:
            if answer is None:
                raise OSError(errno.EIO, "Input/output error", "mlflow.db")
            return answer

    server = controller(tmp_path, said, Knowing())
    server._fleet.version, server._fleet.ended = 2, 3
    server._probation = Probation(1, Tallied(), math.inf, datetime.now(UTC))
    for _ in range(2):
        asyncio.run(server._review())
    [line] = said
    if answer:
        assert line.startswith(f"Version 2 stays in service: {answer} ")
        assert server._rolled_back is None
    else:
        assert line.startswith("Version 2 is given up, back to version 1: ")
        assert server._rolled_back


def test_a_registry_that_hangs_keeps_nobody_waiting_and_is_not_asked_again_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("facesent.serving.rollout._ANSWER_SECONDS", 0.01)
    said: list[str] = []
    asked: list[str] = []
    go_on, ended = Event(), Event()

    class Hanging(Registry):
        def wanted(self) -> int:
            asked.append("wanted")
            assert go_on.wait(30)
            ended.set()
            return 2

        def audited(self, version: int, since: datetime) -> None:
            asked.append("audited")
            assert go_on.wait(30)

    server = controller(tmp_path, said, Hanging())
    server._bounds = BOUNDS.model_copy(update={"rollback_accuracy": 0.5})
    server._probation = Probation(1, Tallied(), math.inf, datetime.now(UTC))
    server._rolled_back = RolledBack(2, 1, "slow")

    async def reviewed() -> None:
        for _ in range(2):
            await server._review()
            assert await server._wanted() == 1
            await server._move_alias(given_up := RolledBack(2, 1, "slow"))
            assert given_up.alias.startswith("not moved: Expected the registry to answer within")

    try:
        asyncio.run(reviewed())
        assert not ended.is_set(), "Nor does the program wait for it at its end."
    finally:
        go_on.set()
    assert asked == ["audited", "wanted"]
    assert said[0].startswith("The registry does not answer; version 1 still does: Expected the registry to answer")


def test_a_process_that_was_killed_at_an_answer_has_said_nothing(tmp_path: Path) -> None:
    program = "import os; input(); print('{\"requests\": 1', end='', flush=True); os.kill(os.getpid(), 9)"

    async def tallied() -> object:
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdin=PIPE, stdout=PIPE)
        said = await Worker(process, tmp_path).tally()
        await process.wait()
        return said

    assert asyncio.run(tallied()) == {}


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

    async def replaced() -> int:
        processes = fleet(folder, said)
        process = await asyncio.create_subprocess_exec("true", stdin=PIPE, stdout=PIPE)
        worker = Worker(process, folder)
        if accepted:
            await worker.accept()
        await process.wait()
        processes._serving = [worker]
        for _ in range(2):
            await processes.replace_ended()
        return processes.ended

    assert asyncio.run(replaced()) == ended
    # No other one could be started in its place.
    assert [line for line in said if line.startswith("It could not: ")] == said[1::2]
    assert len(said) == 4


def copies(fleet_folder: Path) -> list[str]:
    return sorted(path.parent.name[:9] for path in fleet_folder.glob("*/MLmodel"))


def test_copies_are_kept_as_long_as_their_version_may_be_wanted_again(tmp_path: Path) -> None:
    def fetch(version: int, target: Path) -> Release:
        (target / "MLmodel").touch()
        return Release(target, Questions([], []))

    async def served() -> list[list[str]]:
        processes, kept = fleet(tmp_path, [], fetch), []
        for version in (1, 2, 2, 1, 3, 4):
            await processes.load([], version)
            async with processes.taking_over(version, [], 0):
                kept.append(copies(tmp_path))
        return kept

    assert asyncio.run(served()) == [
        ["version-1"], ["version-1", "version-2"], ["version-1", "version-2"], ["version-1", "version-2"],
        ["version-1", "version-2", "version-3"], ["version-1", "version-3", "version-4"],
    ]  # fmt: skip


def test_where_the_registry_is_away_the_last_copy_is_loaded(tmp_path: Path) -> None:
    said: list[str] = []
    answers = iter([None, ValueError("of a store of another kind")])

    def fetch(version: int, target: Path) -> Release:
        if error := next(answers, FacesentError("MLflow is away")):
            raise error
        (target / "MLmodel").touch()
        return Release(target, Questions([], []))

    async def served() -> None:
        processes = fleet(tmp_path, said, fetch)
        for _ in range(3):
            await processes.load([], 1)
        with pytest.raises(FacesentError, match="MLflow is away"):
            await processes.load([], 2)

    asyncio.run(served())
    assert copies(tmp_path) == ["version-1"]
    assert [line.partition(": ")[2] for line in said] == ["of a store of another kind", "MLflow is away"]


def test_a_fetch_that_never_ends_keeps_nobody_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facesent.serving.fleet._FETCH_SECONDS", 0.01)
    ended = Event()

    def fetch(version: int, target: Path) -> Release:
        ended.wait()
        raise FacesentError("too late")

    async def served() -> None:
        with pytest.raises(FacesentError, match="Expected the files of version 1 within 0 seconds"):
            await fleet(tmp_path, [], fetch).load([], 1)

    asyncio.run(served())
    ended.set()


def test_a_replacement_that_still_loads_is_told_nothing_of_the_end_of_a_trial(tmp_path: Path) -> None:
    async def told() -> bytes:
        process = await asyncio.create_subprocess_exec("cat", stdin=PIPE, stdout=PIPE)
        processes, worker = fleet(tmp_path, []), Worker(process, tmp_path / "scratch")
        processes._serving = [worker]
        await processes.stop_mirroring()
        worker._told.close()
        return await worker._said.read()

    assert asyncio.run(told()) == b""
