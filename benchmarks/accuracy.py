"""Final accuracy in bfloat16 beside float32, three seeds each way, on images of yours; not part of all."""

import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory

from benchmarks.projects import configure
from benchmarks.results import Result
from benchmarks.sizes import Size
from benchmarks.trainings import Outcome, prepare, train

_SETTINGS = {"model.image_size": 96, "train.epochs": 25}


def run(scratch: Path, size: Size, data: Path | None = None) -> Sequence[Result]:
    """Train and evaluate with the real stages; all trainings share one validation and one split by person.

    Args:
        scratch: where outputs go.
        size: its seeds are the rounds.
        data: folder of class folders, as ``facesent data import`` takes it; None for drawn faces.
    """
    settings = {**_SETTINGS, **size.settings}
    with TemporaryDirectory(dir=scratch, prefix="accuracy-") as folder:
        root = Path(folder)
        prepare(root, data, settings, size.drawing)
        # In turns, so that a slow hour of the machine meets both.
        outcomes: dict[str, list[Outcome]] = {"bfloat16": [], "float32": []}
        for seed in size.seeds:
            for precision, reached in outcomes.items():
                configure(root, "quick", {**settings, "train.seed": seed, "train.precision": precision})
                reached.append(train(root))
                print(f"{precision}, seed {seed}: test {reached[-1].test:.1%}", file=sys.stderr, flush=True)
    quick, plain = outcomes.values()
    side = settings["model.image_size"]
    how = f"{side}x{side}, mean of {len(size.seeds)} seeds (lowest-highest)"
    return [
        _row(f"validation accuracy, {how}", [each.val for each in quick], [each.val for each in plain]),
        _row(f"test accuracy, {how}", [each.test for each in quick], [each.test for each in plain]),
    ]


def _row(what: str, ours: Sequence[float], theirs: Sequence[float]) -> Result:
    ratio = mean(ours) / mean(theirs) if any(theirs) else None
    return Result("", what, f"bfloat16: {_spread(ours)}", "float32", _spread(theirs), ratio)


def _spread(shares: Sequence[float]) -> str:
    return f"{mean(shares):.1%} ({min(shares):.1%}-{max(shares):.1%})"
