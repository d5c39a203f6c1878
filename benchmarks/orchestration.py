"""What `make run` takes in a fresh copy, part by part: the work, and what Prefect, MLflow, DVC and starting add."""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.projects import STAGE, configure, copy_project, environment, python
from benchmarks.results import Result, bounded, noted
from benchmarks.sizes import Size
from benchmarks.stopwatch import FILE_VARIABLE, IMAGES, IMPORTS, MLFLOW

_STAGES = ("validate", "split", "train", "evaluate")
_FLOW = ("flows.pipeline", "--draw")
_SHARE = 15.0


@dataclass(frozen=True)
class Part:
    """Seconds of a run; ``added`` are those that are no work on images."""

    name: str
    seconds: float
    added: bool


def run(scratch: Path, size: Size) -> list[Result]:
    """Run the whole flow once, however many rounds are wanted: it takes minutes."""
    project = _fresh_project(scratch, size)
    seconds, marks = _timed_run(project)
    notes = [json.loads(line) for line in _notes(project).read_text(encoding="utf-8").splitlines()]
    parts = list(_parts(seconds, marks, {note["command"]: note for note in notes}))
    share = 100 * sum(part.seconds for part in parts if part.added) / seconds
    return [
        bounded(f"orchestration's share of the run's {seconds:.0f} s", share, at_most=_SHARE, unit="%"),
        *(
            noted(f"{'orchestration' if part.added else 'work'}: {part.name}", _shown(part.seconds, seconds))
            for part in parts
        ),
    ]


def _shown(part: float, whole: float) -> str:
    return f"{part:.1f} s, {part / whole:.1%}"


def _fresh_project(scratch: Path, size: Size) -> Path:
    """What a clone has, and stages that note their times."""
    project = scratch / "orchestration"
    shutil.rmtree(project, ignore_errors=True)
    copy_project(project)
    configure(project, "quick", size.settings)
    stages = project / "dvc.yaml"
    text = stages.read_text(encoding="utf-8")
    stages.write_text(text.replace("python -m ", "python -m benchmarks.stopwatch "), encoding="utf-8")
    subprocess.run(["git", "init", "--quiet"], cwd=project, check=True)
    python(project, ["-m", "compileall", "-q", "facesent", "flows", "benchmarks"])
    if size.drawing:
        python(project, ["-m", "facesent.cli", "data", "draw", *size.drawing])
    return project


def _notes(project: Path) -> Path:
    return project / "stopwatch.jsonl"


def _timed_run(project: Path) -> tuple[float, dict[str, float]]:
    """Seconds of the whole, and when the flow began and each task ended."""
    start = time.time()
    marks: dict[str, float] = {"started": start}
    command = [sys.executable, "-m", "benchmarks.stopwatch", *_FLOW]
    variables = {**environment(project), FILE_VARIABLE: str(_notes(project))}
    with subprocess.Popen(
        command, cwd=project, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        for line in process.stdout or ():
            print(line, end="", file=sys.stderr, flush=True)
            if "Beginning flow run" in line:
                marks["flow"] = time.time()
            if "Finished in state" in line and "Task run '" in line:
                marks[line.partition("Task run '")[2].partition("'")[0]] = time.time()
    if process.returncode:
        raise RuntimeError("Expected the flow to complete. Received: a failure, printed above.")
    return time.time() - start, marks


def _parts(seconds: float, marks: Mapping[str, float], notes: Mapping[str, Mapping[str, Any]]) -> Iterator[Part]:
    images = notes[" ".join(_FLOW)].get(IMAGES, 0.0)
    yield Part("drawing the images and adding them to DVC", images, added=False)
    yield Part(
        "Prefect's import and temporary server, beyond that", marks["flow"] - marks["started"] - images, added=True
    )
    before = marks["flow"]
    between = 0.0
    for stage in _STAGES:
        note = notes[" ".join([*STAGE[1:], stage])]
        lived = note["left"] - note["created"]
        between += marks[stage] - before - lived
        before = marks[stage]
        mlflow = note.get(MLFLOW, 0.0)
        yield Part(f"{stage}, the work itself", lived - note[IMPORTS] - mlflow, added=False)
        yield Part(f"{stage}, Python and imports", note[IMPORTS], added=True)
        if mlflow:
            yield Part(f"{stage}, MLflow", mlflow, added=True)
    yield Part("DVC around the four stages, and Prefect's tasks", between, added=True)
    yield Part("register, gate and promote", marks["promote"] - before, added=True)
    yield Part("the end: summary, server stopped", marks["started"] + seconds - marks["promote"], added=True)
