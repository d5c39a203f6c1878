"""Trainings with the real stages in a copy of the project, each scored on validation and test."""

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from numpy.typing import NDArray

from benchmarks.projects import ROOT, copy_project, environment
from facesent import presets
from facesent.core.nested import with_values

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


def prepare(root: Path, data: Path | None, changes: Changes) -> None:
    """Copy the project, take images, validate and split them: all trainings share one validation and one split.

    Args:
        root: of the copy.
        data: folder of class folders; None for the drawn faces.
        changes: of the preset ``quick``, key to value.
    """
    copy_project(root, ["facesent", "presets"])
    if (ROOT / "weights").is_dir():
        (root / "weights").symlink_to(ROOT / "weights", target_is_directory=True)
    if data:
        (root / "data").symlink_to(data.resolve(), target_is_directory=True)
    else:
        _run(root, ["-m", "facesent.cli", "data", "draw"])
    configure(root, "quick", changes)
    stage(root, "validate")
    stage(root, "split")


def configure(root: Path, preset: str, changes: Changes) -> None:
    """Write ``params.yaml``: a preset with the values of some keys changed, as in ``train.optimizer.learning_rate``."""
    settings = with_values(presets.load_preset(ROOT, preset).nested(), changes)
    (root / "params.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")


def train(root: Path) -> Outcome:
    """Train and evaluate as ``params.yaml`` says."""
    start = time.perf_counter()
    stage(root, "train")
    minutes = (time.perf_counter() - start) / 60
    stage(root, "evaluate")
    outputs = root / "outputs"
    metrics = json.loads((outputs / "evaluate" / "metrics.json").read_text(encoding="utf-8"))
    trained = json.loads((outputs / "train" / "metrics.json").read_text(encoding="utf-8"))
    answers = pd.read_csv(outputs / "evaluate" / "predictions.csv", dtype=str)
    people = pd.read_csv(outputs / "splits" / "test.csv", dtype=str).set_index("file_name")["group"]
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
    """Run one stage as a process."""
    _run(root, ["-m", f"facesent.stages.{name}"])


def _run(root: Path, arguments: list[str]) -> None:
    # On stderr, to be watched: these are minutes, and stdout is the table's.
    subprocess.run([sys.executable, *arguments], cwd=root, env=environment(root), check=True, stdout=2)
