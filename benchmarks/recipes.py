"""The command ``python -m benchmarks.recipes``: presets, and what was tried beside them, on the same images.

A table of its own: a training is minutes, and its figures are accuracies.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory
from typing import Any

import click
import numpy as np

from benchmarks.machine import describe
from benchmarks.projects import configure
from benchmarks.trainings import Outcome, prepare, train
from facesent.core.markdown import table
from facesent.evaluation.intervals import share_of_groups
from facesent.sources.weights.catalogue import SOURCES

_LEVEL = 0.95


@dataclass(frozen=True)
class Recipe:
    """A preset, and which of its keys have other values."""

    preset: str
    changes: Mapping[str, Any] = field(default_factory=dict)


RECIPES = {
    "best": Recipe("best"),
    "finetuned": Recipe("finetuned"),
    # For as many epochs as the minutes of "finetuned" allow; on smaller images these are more.
    "reference": Recipe("reference", {"train.epochs": 13}),
    "reference-96": Recipe("reference", {"model.image_size": 96, "train.epochs": 40}),
    "quick": Recipe("quick"),
    "finetuned-112": Recipe("finetuned", {"model.image_size": 112}),
    "finetuned-bfloat16": Recipe("finetuned", {"train.precision": "bfloat16"}),
    "finetuned-scratch": Recipe("finetuned", {"model.weights": "none", "model.weights_sha256": ""}),
    "finetuned-whole": Recipe("finetuned", {"model.last_layer": ""}),
    "finetuned-augmented": Recipe("finetuned", {
        "train.augment.occlude_box": 0.25, "train.augment.gamma": 0.3, "train.augment.contrast": 0.2,
        "train.augment.grey": 0.3,
    }),
    "finetuned-mixup": Recipe("finetuned", {"train.augment.mixup": 0.3}),
    "finetuned-cutmix": Recipe("finetuned", {"train.augment.cutmix": 1.0}),
    "finetuned-focal": Recipe("finetuned", {"train.loss.name": "focal"}),
    "finetuned-both": Recipe("finetuned", {
        "model.others": [{
            "name": "expression_net", "image_size": 112, "weights": "weights/face_expression.weights.h5",
            "weights_sha256": SOURCES["face_expression"].sha256,
        }],
        "model.drop_path": 0.1,
    }),
    "finetuned-averaged": Recipe("finetuned", {"train.optimizer.average": 0.98}),
    "reference-squeeze": Recipe("reference", {
        "model.image_size": 96, "train.epochs": 40, "model.attention": "squeeze_excitation",
    }),
    "reference-cbam": Recipe("reference", {
        "model.image_size": 96, "train.epochs": 40, "model.attention": "cbam",
    }),
}  # fmt: skip


@click.command(
    epilog="Recipes: " + ", ".join(RECIPES),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
)
@click.argument("names", nargs=-1, metavar="[NAME]...", type=click.Choice(list(RECIPES)))
@click.option(
    "--data", type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Class folders of images; without it, the drawn faces.",
)  # fmt: skip
@click.option("--seeds", type=click.IntRange(min=1), default=3, show_default=True, help="Trainings of each recipe.")
def main(names: Sequence[str], data: Path | None, seeds: int) -> None:
    """Train the recipes NAME with several seeds on one split, and print a row for each; by default best and reference.

    Figures are means over the seeds; brackets hold the lowest and the highest, of the test accuracy its interval at
    95 %, over test persons. Nothing else should run on the machine meanwhile.

    \b
    Example: python -m benchmarks.recipes best reference --data ~/my-faces
    """
    names = names or ("best", "reference")
    reached: dict[str, list[Outcome]] = {name: [] for name in names}
    with TemporaryDirectory(prefix="recipes-") as folder:
        root = Path(folder)
        prepare(root, data, {})
        for seed in range(1, seeds + 1):
            # In turns, so that a slow hour of the machine meets all.
            for name in names:
                configure(root, RECIPES[name].preset, {**RECIPES[name].changes, "train.seed": seed})
                reached[name].append(train(root))
                print(f"{name}, seed {seed}: {_line(reached[name][-1])}", file=sys.stderr, flush=True)
    rows = [_row(name, outcomes) for name, outcomes in reached.items()]
    head = ["recipe", "seeds", "parameters", "minutes", "val", "test", "macro recall", "ECE"]
    click.echo(f"Measured on {date.today().isoformat()}: {describe()}.\n\n{table(head, rows)}")


def _line(outcome: Outcome) -> str:
    return (
        f"{outcome.minutes:.1f} min, val {outcome.val:.1%}, test {outcome.test:.1%}, recall {outcome.macro_recall:.3f}"
    )


def _row(name: str, outcomes: Sequence[Outcome]) -> list[str]:
    right = np.mean([each.correct for each in outcomes], axis=0)
    test = share_of_groups(right, outcomes[0].groups.tolist(), _LEVEL)
    recalls = [each.macro_recall for each in outcomes]
    return [
        name,
        str(len(outcomes)),
        f"{outcomes[0].parameters / 1e6:.1f} M",
        f"{mean(each.minutes for each in outcomes):.1f}",
        _spread([each.val for each in outcomes]),
        f"{test.value:.1%} ({test.low:.1%} to {test.high:.1%})",
        f"{mean(recalls):.3f} ({min(recalls):.3f} to {max(recalls):.3f})",
        f"{mean(each.ece for each in outcomes):.3f}",
    ]


def _spread(shares: Sequence[float]) -> str:
    return f"{mean(shares):.1%} ({min(shares):.1%} to {max(shares):.1%})"


if __name__ == "__main__":
    main()
