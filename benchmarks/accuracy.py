"""Final accuracy in bfloat16 beside float32, three seeds each way, on images of yours; not part of all."""

import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory

from benchmarks.results import Result
from benchmarks.trainings import Outcome, configure, prepare, train

SEEDS = (1, 2, 3)
IMAGE_SIZE = 96
EPOCHS = 25


def run(scratch: Path, rounds: int, data: Path) -> Sequence[Result]:
    """Train and evaluate with the real stages; all trainings share one validation and one split by person.

    Args:
        scratch: where outputs go.
        rounds: has no meaning here; the seeds are the rounds.
        data: folder of class folders, as ``facesent data import`` takes it.
    """
    with TemporaryDirectory(dir=scratch, prefix="accuracy-") as folder:
        root = Path(folder)
        prepare(root, data, {})
        # In turns, so that a slow hour of the machine meets both.
        outcomes: dict[str, list[Outcome]] = {"bfloat16": [], "float32": []}
        for seed in SEEDS:
            for precision, reached in outcomes.items():
                reached.append(_train(root, seed, precision))
                print(f"{precision}, seed {seed}: test {reached[-1].test:.1%}", file=sys.stderr, flush=True)
    quick, plain = outcomes.values()
    return [
        _row("validation accuracy", [each.val for each in quick], [each.val for each in plain]),
        _row("test accuracy", [each.test for each in quick], [each.test for each in plain]),
    ]


def _train(root: Path, seed: int, precision: str) -> Outcome:
    settings = {"train.seed": seed, "train.precision": precision, "train.epochs": EPOCHS}
    configure(root, "quick", {"model.image_size": IMAGE_SIZE, **settings})
    return train(root)


def _row(what: str, ours: Sequence[float], theirs: Sequence[float]) -> Result:
    what = f"{what}, {IMAGE_SIZE}x{IMAGE_SIZE}, mean of {len(SEEDS)} seeds (lowest-highest)"
    return Result("", what, f"bfloat16: {_spread(ours)}", "float32", _spread(theirs), mean(ours) / mean(theirs))


def _spread(shares: Sequence[float]) -> str:
    return f"{mean(shares):.1%} ({min(shares):.1%}-{max(shares):.1%})"
