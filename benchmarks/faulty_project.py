"""What `faults` breaks: a tiny project as it is before each of the flow's tasks, and what must be right in the end."""

import hashlib
import json
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from benchmarks.flow_process import STAGES, TASKS, FlowProcess
from benchmarks.projects import configure, copy_project, python
from benchmarks.sizes import SMALL

# How good a network of three epochs is, and how quick its server beside others, is not asked here.
_GATE = {"gate.min_accuracy": 0.0, "gate.min_class_recall": 0.0, "gate.max_latency_ms": None}
_SETTINGS = {**SMALL.settings, "train.epochs": 3, **_GATE}
_AUTHOR = ("-c", "user.name=Benchmark", "-c", "user.email=benchmark@example.org")
# What is another after each run, or of programs that run here.
_VARYING = (".git", ".prefect", ".dvc/tmp", ".dvc/cache", "mlruns", "mlflow.db", "outputs/registry.lock")
_OPEN = {"PENDING", "RUNNING", "PAUSED", "CANCELLING"}


@dataclass(frozen=True)
class Prepared:
    """Copies of one project before each stage and after all, and the flow's end that nothing disturbed.

    Attributes:
        folder: of the copies.
        hashes: of what DVC tracks and of the images in the end, by path.
        files: all others that a project then has.
        seconds: that each task took.
    """

    folder: Path
    hashes: dict[str, str] = field(default_factory=dict)
    files: frozenset[str] = frozenset()
    seconds: dict[str, float] = field(default_factory=dict)

    def copy(self, task: str, target: Path) -> None:
        """Make ``target`` the project as it is before ``task``."""
        name = task if task in STAGES else "register"
        subprocess.run(["cp", "--archive", f"{self.folder / name}/.", target], check=True)


def prepare(folder: Path) -> Prepared:
    """Draw a few faces, run the stages one by one, and then the flow."""
    project, seconds = folder / "project", dict[str, float]()
    project.mkdir(parents=True)
    copy_project(project)
    configure(project, "quick", _SETTINGS)
    subprocess.run(["git", "init", "--quiet"], cwd=project, check=True)
    python(project, ["-m", "compileall", "-q", "facesent", "flows"])
    python(project, ["-m", "facesent.cli", "data", "draw", *SMALL.drawing])
    subprocess.run(["git", "add", "--all"], cwd=project, check=True)
    subprocess.run(["git", *_AUTHOR, "commit", "--quiet", "--message", "Start"], cwd=project, check=True)
    for stage in STAGES:
        subprocess.run(["cp", "--archive", project, folder / stage], check=True)
        begun = time.monotonic()
        python(project, ["-m", "dvc", "repro", stage])
        seconds[stage] = time.monotonic() - begun
    subprocess.run(["cp", "--archive", project, folder / "register"], check=True)
    with FlowProcess(project, {}) as flow:
        if flow.wait(600):
            raise RuntimeError(f"Expected the flow to end well. Received:\n{flow.output}")
    marks = [flow.seconds_at(task) for task in TASKS] + [flow.ended]
    measured = {task: after - before for task, (before, after) in zip(TASKS, pairwise(marks), strict=True)}
    return Prepared(folder, hashes_of(project), frozenset(_files(project)), {**measured, **seconds})


def hashes_of(project: Path) -> dict[str, str]:
    """Of what has to be the same bytes whatever happened."""
    folders = [project / "data", *(project / "outputs" / stage for stage in STAGES)]
    files = [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
    files += [project / name for name in ("dvc.lock", "data.dvc", "assignment.csv", "params.yaml")]
    return {str(path.relative_to(project)): _sha256(path) for path in files if path.is_file()}


def wrong_in(project: Path, prepared: Prepared, store: Path) -> Iterator[str]:
    """What is not as it is after a flow that nothing disturbed.

    Args:
        project: after the flow.
        prepared: with what is right.
        store: MLflow's database.
    """
    found = hashes_of(project)
    yield from (f"other bytes: {name}" for name, value in prepared.hashes.items() if found.get(name) != value)
    yield from (f"left over: {name}" for name in sorted(set(_files(project)) - prepared.files))
    if (status := json.loads(python(project, ["-m", "dvc", "status", "--json"]))) != {}:
        yield f"dvc status: {status}"
    yield from _wrong_in_store(project, store)


def _wrong_in_store(project: Path, store: Path) -> Iterator[str]:
    epochs = len((project / "outputs" / "train" / "history.csv").read_text(encoding="utf-8").splitlines()) - 1
    with closing(sqlite3.connect(store)) as opened:
        statuses = dict(opened.execute("SELECT run_uuid, status FROM runs"))
        yield from (f"MLflow run {status}" for status in statuses.values() if status in {"RUNNING", "SCHEDULED"})
        champions = list(
            opened.execute(
                "SELECT v.run_id, v.source, v.status FROM registered_model_aliases a JOIN model_versions v "
                "ON v.name = a.name AND v.version = a.version WHERE a.alias = 'champion'"
            )
        )
        # The history of promotions is a registered model too, and has no champion.
        ((versions,),) = opened.execute(
            "SELECT COUNT(*) FROM model_versions "
            "WHERE name IN (SELECT name FROM registered_model_aliases WHERE alias = 'champion')"
        )
        if len(champions) != 1 or versions != 1:
            yield f"{len(champions)} champions of {versions} versions"
            return
        ((run, source, status),) = champions
        steps = [step for (step,) in opened.execute(
            "SELECT step FROM metrics WHERE run_uuid = ? AND key = 'epoch/val_loss' ORDER BY step", [run]
        )]  # fmt: skip
        if steps != list(range(1, epochs + 1)):
            yield f"epochs in MLflow: {steps} of {epochs}"
        if (statuses.get(run), status) != ("FINISHED", "READY"):
            yield f"the champion's run is {statuses.get(run)}, the version {status}"
    yield from _wrong_weights(project, store.parent, source)


def _wrong_weights(project: Path, root: Path, source: str) -> Iterator[str]:
    """The champion's files are looked for where the project or a server keeps them."""
    identifier = source.removeprefix("models:/").rstrip("/").removesuffix("/artifacts").rpartition("/")[2]
    saved = [path for path in root.rglob("*.keras") if identifier in path.parts]
    right = _sha256(project / "outputs" / "train" / "model.keras")
    if [_sha256(path) for path in saved] != [right]:
        yield f"the champion's weights: {len(saved)} files, expected the one of outputs/train"


def wrong_in_prefect(database: Path, pids: set[int]) -> Iterator[str]:
    """Flow runs of these processes, and their tasks, that are open still."""
    with closing(sqlite3.connect(database)) as opened:
        flows = {
            run: state
            for run, state, tags in opened.execute("SELECT id, state_type, tags FROM flow_run")
            if any(tag.split()[3:4] == [str(pid)] for tag in json.loads(tags) for pid in pids)
        }
        yield from (f"Prefect's flow run {state}" for state in flows.values() if state in _OPEN)
        for run, state, name in opened.execute("SELECT flow_run_id, state_type, name FROM task_run"):
            if run in flows and state in _OPEN:
                yield f"Prefect's task run {name} {state}"


def _files(project: Path) -> Iterator[str]:
    for path in project.rglob("*"):
        name = path.relative_to(project).as_posix()
        if path.is_file() and not name.startswith(_VARYING) and "__pycache__" not in path.parts:
            yield name


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
