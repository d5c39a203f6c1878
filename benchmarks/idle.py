"""A project of 15,453 images in which nothing is to do: `dvc repro`, `dvc status`, and what starting costs."""

import shutil
import subprocess
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import yaml

from benchmarks.contest import Contestant, contest
from benchmarks.faces import jpegs
from benchmarks.projects import CODE, copy_project, python
from benchmarks.results import Result, bounded, compared
from benchmarks.sizes import Size

_REPRO, _STATUS, _VERSION = "dvc repro", "dvc status", "dvc version"
_STARTS = {"import facesent": ["-c", "import facesent"], "facesent --help": ["-m", "facesent.cli", "--help"]}
_PYTHON = "python -c pass"


def run(scratch: Path, size: Size) -> list[Result]:
    """Bring a project up to date without running its stages, then time what has nothing to do."""
    project = _finished_project(scratch, size.images)
    commands = {name: ["-m", *name.split()] for name in (_REPRO, _STATUS, _VERSION)}
    commands |= {**_STARTS, _PYTHON: ["-c", "pass"]}
    timings = contest(
        [Contestant(name, partial(_start, project, words)) for name, words in commands.items()], size.rounds
    )
    images = f"{size.images:,} images, nothing to do"
    return [
        bounded(f"{_REPRO}, {images}", timings[_REPRO], at_most=3, unit="s"),
        compared(f"{_REPRO}, {images}", timings[_REPRO], timings[_STATUS], at_most=2),
        bounded(f"of it: {_VERSION}, DVC's own start", timings[_VERSION], unit="s"),
        *(bounded(name, timings[name], at_most=0.3, unit="s") for name in _STARTS),
        bounded(f"of it: {_PYTHON}", timings[_PYTHON], unit="s"),
    ]


def _start(project: Path, arguments: Sequence[str]) -> Callable[[], object]:
    return partial(python, project, arguments)


def _finished_project(scratch: Path, images: int) -> Path:
    """A copy of this project with the stages' outputs as small files, which DVC is told to take for what they made."""
    project = scratch / "idle"
    shutil.rmtree(project, ignore_errors=True)
    copy_project(project, CODE)
    for source in jpegs(scratch, images).glob("*/*.jpg"):
        target = project / "data" / source.parent.name / source.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.hardlink_to(source)
    _write_outputs(project)
    subprocess.run(["git", "init", "--quiet"], cwd=project, check=True)
    python(project, ["-m", "dvc", "add", "--quiet", "data"])
    python(project, ["-m", "dvc", "commit", "--quiet", "--force"])
    return project


def _write_outputs(project: Path) -> None:
    """What ``dvc.yaml`` names: each file, and a file in each folder."""
    stages = yaml.safe_load((project / "dvc.yaml").read_text(encoding="utf-8"))["stages"].values()
    outs = [out if isinstance(out, str) else next(iter(out)) for stage in stages for out in stage["outs"]]
    made = [Path(out) for out in outs]
    named = [*made, *(Path(dependency) for stage in stages for dependency in stage["deps"])]
    for path in dict.fromkeys(named):
        if any(path.is_relative_to(output) for output in made):
            file = project / path if path.suffix else project / path / "file"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"{file.name}\n", encoding="utf-8")
