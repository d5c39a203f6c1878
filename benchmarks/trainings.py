"""Trainings with the real stages in a copy of the project, each scored on validation and test."""

import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.projects import ROOT, configure, copy_project, environment
from facesent.core import programs
from facesent.core.paths import Project

Changes = Mapping[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What one training reached; shares in 0..1.

    Attributes:
        parameters: of the network.
        minutes: the stage ``train`` took, from its start to its end.
        val: accuracy on validation.
        test: accuracy on test.
        macro_recall: mean recall of the classes on test.
        ece: expected calibration error on test.
        correct: ``(images,)``, whether each test image was answered right.
        groups: ``(images,)``, the person of each.
    """

    parameters: int
    minutes: float
    val: float
    test: float
    macro_recall: float
    ece: float
    correct: NDArray[np.bool_]
    groups: NDArray[np.str_]


def prepare(root: Path, data: Path | None, changes: Changes, drawing: Sequence[str] = ()) -> None:
    """Copy the project, take images, validate and split them: all trainings share one validation and one split.

    Args:
        root: of the copy.
        data: folder of class folders; None for the drawn faces.
        changes: of the preset ``quick``, key to value.
        drawing: options of ``facesent data draw``.
    """
    copy_project(root, ["facesent", "presets"])
    if (ROOT / "weights").is_dir():
        (root / "weights").symlink_to(ROOT / "weights", target_is_directory=True)
    if data:
        (root / "data").symlink_to(data.resolve(), target_is_directory=True)
    else:
        # From here: the copy is no project of its own.
        _run("facesent.cli", "data", "draw", "--data", str(root / "data"), *drawing, folder=ROOT, root=root)
    configure(root, "quick", changes)
    stage(root, "validate")
    stage(root, "split")


def train(root: Path) -> Outcome:
    """Train and evaluate as ``params.yaml`` says."""
    start = time.perf_counter()
    stage(root, "train")
    minutes = (time.perf_counter() - start) / 60
    stage(root, "evaluate")
    project = Project(root)
    metrics = json.loads(project.metrics.read_text(encoding="utf-8"))
    trained = json.loads(project.training_metrics.read_text(encoding="utf-8"))
    answers = pd.read_csv(project.evaluate / "predictions.csv", dtype=str)
    people = pd.read_csv(project.split("test"), dtype=str).set_index("file_name")["group"]
    return Outcome(
        parameters=trained["parameters"],
        minutes=minutes,
        val=metrics["val"]["accuracy"],
        test=metrics["test"]["accuracy"],
        macro_recall=metrics["test"]["macro_recall"],
        ece=metrics["test"]["ece"],
        correct=(answers["actual"] == answers["predicted"]).to_numpy(),
        groups=people[answers["file_name"]].to_numpy(dtype=np.str_),
    )


def stage(root: Path, name: str) -> None:
    """Run one stage as a process, which ends when this one does."""
    _run("facesent.run", name, folder=root, root=root)


def _run(module: str, *arguments: str, folder: Path, root: Path) -> None:
    # On stderr, to be watched: these are minutes, and stdout is the table's.
    programs.run(programs.python(module, *arguments), folder, environment(root), partial(print, file=sys.stderr))
