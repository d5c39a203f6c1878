"""Final accuracy in bfloat16 beside float32, three seeds each way, on images of yours; not part of all."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from benchmarks.projects import ROOT, copy_project, environment
from benchmarks.results import Result

SEEDS = (1, 2, 3)
IMAGE_SIZE = 96
EPOCHS = 25


@dataclass(frozen=True)
class Outcome:
    """What one training reached: shares of right answers."""

    val: float
    test: float


def run(scratch: Path, rounds: int, data: Path) -> Sequence[Result]:
    """Train and evaluate with the real stages; all trainings share one validation and one split by person.

    Args:
        scratch: where outputs go.
        rounds: has no meaning here; the seeds are the rounds.
        data: folder of class folders, as ``facesent data import`` takes it.
    """
    with TemporaryDirectory(dir=scratch, prefix="accuracy-") as folder:
        root = Path(folder)
        copy_project(root, ["facesent", "presets"])
        (root / "data").symlink_to(data.resolve(), target_is_directory=True)
        _configure(root, SEEDS[0], "float32")
        _stage(root, "validate")
        _stage(root, "split")
        # In turns, so that a slow hour of the machine meets both.
        outcomes: dict[str, list[Outcome]] = {"bfloat16": [], "float32": []}
        for seed in SEEDS:
            for precision, reached in outcomes.items():
                reached.append(_train(root, seed, precision))
                print(f"{precision}, seed {seed}: {reached[-1]}", file=sys.stderr, flush=True)
    quick, plain = outcomes.values()
    return [
        _row("validation accuracy", [each.val for each in quick], [each.val for each in plain]),
        _row("test accuracy", [each.test for each in quick], [each.test for each in plain]),
    ]


def _train(root: Path, seed: int, precision: str) -> Outcome:
    _configure(root, seed, precision)
    _stage(root, "train")
    _stage(root, "evaluate")
    metrics = json.loads((root / "outputs" / "evaluate" / "metrics.json").read_text(encoding="utf-8"))
    return Outcome(metrics["val"]["accuracy"], metrics["test"]["accuracy"])


def _configure(root: Path, seed: int, precision: str) -> None:
    params: dict[str, Any] = yaml.safe_load((ROOT / "presets" / "quick.yaml").read_text(encoding="utf-8"))
    params["model"]["image_size"] = IMAGE_SIZE
    params["train"] |= {"seed": seed, "precision": precision, "epochs": EPOCHS}
    (root / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")


def _stage(root: Path, name: str) -> None:
    command = [sys.executable, "-m", f"facesent.stages.{name}"]
    # On stderr, to be watched: these are minutes, and stdout is the table's.
    subprocess.run(command, cwd=root, env=environment(root), check=True, stdout=2)


def _row(what: str, ours: Sequence[float], theirs: Sequence[float]) -> Result:
    what = f"{what}, {IMAGE_SIZE}x{IMAGE_SIZE}, mean of {len(SEEDS)} seeds (lowest-highest)"
    return Result("", what, f"bfloat16: {_spread(ours)}", "float32", _spread(theirs), mean(ours) / mean(theirs))


def _spread(shares: Sequence[float]) -> str:
    return f"{mean(shares):.1%} ({min(shares):.1%}-{max(shares):.1%})"
