"""Kills, full disks and an absent MLflow at random moments of the flow; the next run has to lose nothing.

Each case starts from a copy of a tiny project as it is before one of the flow's tasks, the tasks in turn, and the
fault comes at a random moment of it. Afterwards the flow runs again, if it has to, and everything is compared with a
flow that nothing disturbed. A case that found something keeps its folder, and the flows' output beside it.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random

from benchmarks.fault_servers import Server, mlflow_server, prefect_server
from benchmarks.faulty_project import Prepared, prepare, wrong_in, wrong_in_prefect
from benchmarks.flow_process import TASKS, FlowProcess
from benchmarks.results import Result, noted
from benchmarks.sizes import Size

KILL, DISK, ABSENCE = "kill", "disk", "absence"
_AT_ONCE = 2
_MOST_SECONDS = 600.0
# Of those that are told to end, and of children whose parent is gone.
_GRACE_SECONDS = 15.0
_ONE_PROCESS = "SIGKILL of DVC, a stage or a server alone"
_KILLS = {
    "SIGKILL of the flow's process": signal.SIGKILL,
    "SIGKILL of all its processes": signal.SIGKILL,
    _ONE_PROCESS: signal.SIGKILL,
    "SIGTERM": signal.SIGTERM,
    "SIGINT": signal.SIGINT,
}
_ABSENCES = ("MLflow's server stopped", "MLflow's server killed and started again")
_FULL = "disk full"
# Bytes that are left on it.
_LEFT = (0, 4096, 100_000, 1_000_000, 20_000_000)
_ROOM = 2_000_000_000
_SAYS_FULL = re.compile(r"no space left|disk is full|free (some |disk )?space", re.IGNORECASE)
# Lines at a flow's end in which it says what went wrong.
_LAST = 8


@dataclass(frozen=True)
class Case:
    """A fault to come.

    Attributes:
        kind: KILL, DISK or ABSENCE.
        number: counts those of its kind, from 1.
        what: happens.
        task: in which.
        share: of the task's time that passes before.
        temporary: whether Prefect's server is the flow's own.
        amount: bytes left on the disk, or seconds of absence.
    """

    kind: str
    number: int
    what: str
    task: str
    share: float
    temporary: bool
    amount: float = 0.0

    @property
    def name(self) -> str:
        """How it is asked for."""
        return f"{self.kind}-{self.number}"


@dataclass(frozen=True)
class Ended:
    """How a case ended.

    Attributes:
        case: that it was.
        wrong: what was found; nothing where nothing was lost.
        seconds: from the fault to the end of all processes.
        tried: False where the flow had ended before the fault came.
    """

    case: Case
    wrong: tuple[str, ...]
    seconds: float
    tried: bool = True


class _TooLateError(Exception):
    """The flow had ended before the fault came."""


@dataclass(frozen=True)
class Place:
    """What all cases share."""

    folder: Path
    prepared: Prepared
    prefect: Server
    mlflow: Path


def run(scratch: Path, size: Size, *, seed: int = 7, only: Sequence[str] = ()) -> list[Result]:
    """Let each case happen, some at once; ``only`` names those of a seed that are wanted."""
    folder = scratch / "faults"
    shutil.rmtree(folder, ignore_errors=True)
    why = _not_possible(folder / "disk")
    cases = [case for case in planned(size, seed) if not only or case.name in only]
    cases = [case for case in cases if case.kind != DISK or not why]
    print(f"faults: seed {seed}, {len(cases)} cases; alone: --seed {seed} --only NAME", file=sys.stderr, flush=True)
    with _place(folder, cases) as place, ThreadPoolExecutor(_AT_ONCE) as pool:
        ended = list(pool.map(lambda case: _happen(case, place), cases))
    shutil.rmtree(folder / "prepared")
    not_tried = [noted(f"{_FULL}: not tried", f"a disk of its own takes root: {why}")] if why else []
    return [noted("seed", f"{seed}"), *rows(ended), *not_tried]


def planned(size: Size, seed: int) -> list[Case]:
    """The cases of a seed: kinds and tasks in turn, moments at random."""
    cases = []
    for kind, count in zip((KILL, DISK, ABSENCE), size.faults, strict=True):
        for index in range(count):
            random = Random(f"{seed} {kind} {index}")  # noqa: S311
            whats, tasks = _choices(kind)
            task = tasks[index % len(tasks)]
            amount = random.choice(_LEFT) if kind == DISK else random.uniform(2, 40)
            cases.append(
                Case(kind, index + 1, whats[index % len(whats)], task, random.random(), random.random() < 0.25, amount)
            )
    return cases


def _choices(kind: str) -> tuple[Sequence[str], Sequence[str]]:
    # Before train nobody speaks to MLflow.
    return {KILL: (tuple(_KILLS), TASKS), DISK: ((_FULL,), TASKS), ABSENCE: (_ABSENCES, TASKS[3:-1])}[kind]


@contextmanager
def _place(folder: Path, cases: Sequence[Case]) -> Iterator[Place]:
    prepared = prepare(folder / "prepared")
    with ExitStack() as stack:
        prefect = stack.enter_context(prefect_server(folder / "prepared" / "prefect"))
        mlflow = folder / "prepared" / "mlflow"
        if any(case.kind == ABSENCE for case in cases):
            with mlflow_server(mlflow):
                pass
        yield Place(folder, prepared, prefect, mlflow)


def _happen(case: Case, place: Place) -> Ended:
    folder = place.folder / case.name
    folder.mkdir()
    try:
        ended = _CASES[case.kind](case, place, folder)
    except _TooLateError:
        ended = Ended(case, (), 0.0, tried=False)
    except Exception as error:
        # A case of which nothing is known must not cost the others.
        ended = Ended(case, (f"{type(error).__name__}: {error}",), 0.0)
    after = f"{case.what}, {case.share:.0%} of {case.task}{', temporary server' if case.temporary else ''}"
    found = "; ".join(ended.wrong) or ("nothing lost" if ended.tried else "the flow had ended before")
    print(f"{case.name}: {after}: {found} ({ended.seconds:.1f} s to the end)", file=sys.stderr, flush=True)
    if not ended.wrong:
        shutil.rmtree(folder)
    return ended


def _kill(case: Case, place: Place, folder: Path) -> Ended:
    number = _KILLS[case.what]
    attempt = _Attempt(case, place, folder)
    with attempt.flow() as flow:
        begun = attempt.wait(flow)
        _strike(case, flow, number)
        attempt.end(flow, begun, _GRACE_SECONDS if number != signal.SIGKILL else _MOST_SECONDS)
        # A process that only begins to import ends as the system has it.
        if number != signal.SIGKILL and flow.process.returncode not in {0, -number, 128 + number}:
            attempt.wrong.append(f"status {flow.process.returncode}")
    return attempt.again()


def _strike(case: Case, flow: FlowProcess, number: signal.Signals) -> None:
    family = flow.family()
    if case.what == _ONE_PROCESS:
        others = [process for process in family if process.pid != flow.process.pid]
        family = Random(case.name).sample(others or family, 1)  # noqa: S311
    elif "all" not in case.what:
        family = [process for process in family if process.pid == flow.process.pid]
    for process in family:
        try:
            os.kill(process.pid, number)
        except ProcessLookupError:
            continue


def _fill(case: Case, place: Place, folder: Path) -> Ended:
    with _disk(folder):
        return _fill_mounted(case, place, folder)


@contextmanager
def _disk(folder: Path) -> Iterator[None]:
    """Let a folder be a disk of its own.

    Raises:
        RuntimeError: that takes rights which this process has not.
    """
    command = ["mount", "-t", "tmpfs", "-o", f"size={_ROOM}", "faults", str(folder)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        raise RuntimeError(mounted.stderr.strip())
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def _not_possible(folder: Path) -> str:
    """Why there can be no full disks here, if so."""
    folder.mkdir(parents=True)
    try:
        with _disk(folder):
            return ""
    except (RuntimeError, OSError) as error:
        return str(error)


def _fill_mounted(case: Case, place: Place, folder: Path) -> Ended:
    attempt = _Attempt(case, place, folder)
    filler = folder / "filler"
    with attempt.flow() as flow:
        begun = attempt.wait(flow)
        _fill_up(filler, int(case.amount))
        attempt.end(flow, begun, _MOST_SECONDS)
        # The folder's own name says "disk".
        if flow.process.returncode and not _SAYS_FULL.search(_end_of(flow).replace(str(folder), "")):
            attempt.wrong.append(f"does not say that the disk is full: {_last_line(flow.output)}")
    filler.unlink()
    return attempt.again()


def _fill_up(filler: Path, left: int) -> None:
    """Write until so many bytes are left, whoever else writes meanwhile."""
    block = bytes(1_000_000)
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while (free := shutil.disk_usage(filler.parent).free - left) > 0:
            file.write(block[:free])


def _be_away(case: Case, place: Place, folder: Path) -> Ended:
    store = folder / "mlflow"
    shutil.copytree(place.mlflow, store)
    with mlflow_server(store) as server:
        attempt = _Attempt(case, place, folder, server)
        with attempt.flow("train") as flow:
            begun = attempt.wait(flow)
            if case.what == _ABSENCES[0]:
                server.pause(case.amount)
            else:
                server.restart(case.amount)
            attempt.end(flow, begun, _MOST_SECONDS)
            # MLflow names it where it prints the address of a run, long before.
            if flow.process.returncode and server.address not in _end_of(flow):
                attempt.wrong.append(f"does not name the server: {_last_line(flow.output)}")
            server.come_back()
        return attempt.again()


_CASES: dict[str, Callable[[Case, Place, Path], Ended]] = {KILL: _kill, DISK: _fill, ABSENCE: _be_away}


class _Attempt:
    """A flow in a copy of the project, disturbed once, and what was wrong about it."""

    def __init__(self, case: Case, place: Place, folder: Path, mlflow: Server | None = None) -> None:
        self.wrong: list[str] = []
        self._case, self._place, self._folder = case, place, folder
        self._project, self._temporary = folder / "project", folder / "tmp"
        self._temporary.mkdir()
        self._store = mlflow.database if mlflow else self._project / "mlflow.db"
        self._variables = {"TMPDIR": str(self._temporary)}
        if mlflow:
            self._variables["MLFLOW_TRACKING_URI"] = mlflow.address
        if not case.temporary:
            self._variables["PREFECT_API_URL"] = f"{place.prefect.address}/api"
        self._seconds = 0.0
        self._flows: list[FlowProcess] = []

    def flow(self, task: str = "") -> FlowProcess:
        self._project.mkdir(exist_ok=True)
        if not self._flows:
            self._place.prepared.copy(task or self._case.task, self._project)
        flow = FlowProcess(self._project, self._variables)
        self._flows.append(flow)
        return flow

    def wait(self, flow: FlowProcess) -> float:
        """Wait for the moment of the fault, and give it.

        Raises:
            _TooLateError: the flow ended before it.
        """
        if not flow.wait_for(self._case.task, self._case.share * self._place.prepared.seconds[self._case.task]):
            raise _TooLateError
        return time.monotonic()

    def end(self, flow: FlowProcess, begun: float, seconds: float) -> None:
        """Wait for the end of a flow and of all that it started."""
        if flow.wait(seconds) is None:
            self.wrong.append(f"no end within {seconds:.0f} s")
        left = flow.outlived_by(_GRACE_SECONDS)
        self.wrong += [f"alive after it: {' '.join(process.cmdline()[:6])}" for process in left if process.is_running()]
        self._seconds = time.monotonic() - begun
        if "Traceback" in flow.output:
            self.wrong.append(f"a traceback: {_last_line(flow.output)}")

    def again(self) -> Ended:
        """Run the flow to its end, unless the first one got there, and compare."""
        if self._flows[0].process.returncode or self.wrong:
            with self.flow() as flow:
                self.end_well(flow)
        self.wrong += wrong_in(self._project, self._place.prepared, self._store)
        self.wrong += [f"left in the temporary folder: {path.name}" for path in sorted(self._temporary.iterdir())]
        database = self._project / ".prefect" / "prefect.db"
        if not self._case.temporary:
            database = self._place.prefect.database
        self.wrong += wrong_in_prefect(database, {flow.process.pid for flow in self._flows})
        if self.wrong:
            text = "\n\n".join(flow.output for flow in self._flows)
            self._place.folder.joinpath(f"{self._case.name}.log").write_text(text, encoding="utf-8")
        return Ended(self._case, tuple(self.wrong), self._seconds)

    def end_well(self, flow: FlowProcess) -> None:
        status, before = flow.wait(_MOST_SECONDS), self._seconds
        self.end(flow, time.monotonic(), _MOST_SECONDS)
        self._seconds = before
        if status != 0:
            self.wrong.append(f"the next run: status {status}, {_last_line(flow.output)}")


def _end_of(flow: FlowProcess) -> str:
    return "\n".join(flow.output.splitlines()[-_LAST:])


def _last_line(text: str) -> str:
    return next((line for line in reversed(text.splitlines()) if line.strip()), "nothing printed")


def rows(ended: Sequence[Ended]) -> Iterator[Result]:
    """A row for each thing that happened, one for each case that lost something, and one for what came too late."""
    for what in dict.fromkeys(each.case.what for each in ended if each.tried):
        of_it = [each for each in ended if each.case.what == what and each.tried]
        lost = [each for each in of_it if each.wrong]
        yield Result(
            "",
            f"{what}: {len(of_it)} times",
            f"{len(lost)} lost something" if lost else "nothing lost",
            "longest time to the end",
            f"{max(each.seconds for each in of_it):.1f} s",
            goal="nothing lost",
            reached=not lost,
        )
        yield from (noted(f"{each.case.name}, in {each.case.task}", "; ".join(each.wrong)) for each in lost)
    if late := [each.case.name for each in ended if not each.tried]:
        yield noted("not tried, as the flow had ended before", ", ".join(late))
