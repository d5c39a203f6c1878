"""The command ``python -m benchmarks.distillation``: is a network better that learned from others' answers too?

Nested, as no teacher may see what its pupil is judged by: each fold of train and validation is held out once, and the
teachers have folds of what is left to train on.
"""

import subprocess
import sys
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from pathlib import Path
from statistics import mean, stdev
from tempfile import TemporaryDirectory

import click
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.machine import describe
from benchmarks.projects import ROOT, configure, copy_project, environment
from benchmarks.recipes import RECIPES
from benchmarks.trainings import Changes, Outcome, prepare, train
from facesent.core import programs
from facesent.core.files import sha256
from facesent.core.markdown import table
from facesent.core.paths import Project
from facesent.experiments.folds import Round, assign, images_of, round_of
from facesent.images.batches import targets_of
from facesent.images.rows import labels_of
from facesent.presets import load_preset
from facesent.promotion.comparison import compare

PLAIN = "labels alone"


@dataclass(frozen=True)
class Reached:
    """What one way to train reached.

    Attributes:
        held_out: the images of each fold, in the order in which they were answered.
        outcomes: of the folds.
    """

    held_out: list[pd.DataFrame] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)

    @property
    def right(self) -> NDArray[np.bool_]:
        """Whether each image was answered right when it was held out, ``(images,)``."""
        return np.concatenate([outcome.correct for outcome in self.outcomes])


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.argument("student", metavar="STUDENT", type=click.Choice(list(RECIPES)))
@click.option("--teacher", type=click.Choice(list(RECIPES)), metavar="RECIPE", help="By default that of the student.")
@click.option(
    "--data", type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Class folders of images; without it, the drawn faces.",
)  # fmt: skip
@click.option("--folds", type=click.IntRange(min=3), default=5, show_default=True, help="Folds, each held out once.")
@click.option("--teachers", type=click.IntRange(min=3), default=5, show_default=True, help="Teachers for each fold.")
@click.option(
    "--weight", "weights", type=click.FloatRange(0, 1, min_open=True), multiple=True, default=(0.5,), show_default=True,
    help="Share of the target that comes from the teachers; may be repeated.",
)  # fmt: skip
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of all trainings.")
def main(
    student: str,
    teacher: str | None,
    data: Path | None,
    folds: int,
    teachers: int,
    weights: tuple[float, ...],
    seed: int,
) -> None:
    """Train the recipe STUDENT with labels alone and with soft targets, and compare them on held-out folds.

    Macro recall is the mean over the folds with its deviation. The difference is that of all held-out answers together,
    in brackets its interval at 95 %, over persons drawn anew. Recipes are those of python -m benchmarks.recipes.

    \b
    Example: python -m benchmarks.distillation quick --data ~/my-faces
    """
    reached = {PLAIN: Reached(), **{f"soft targets, weight {weight:g}": Reached() for weight in weights}}
    with TemporaryDirectory(prefix="distillation-") as folder:
        root = Path(folder)
        prepare(root, data, {})
        # A flow works in a project, and that is in git.
        copy_project(root, ["flows", "dvc.yaml", "prefect.toml", ".gitignore", ".dvc/config", ".dvc/.gitignore"])
        subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
        assigned = assign(images_of(Project(root), ("train", "val")), folds, seed)
        for fold in range(1, folds + 1):
            planned = round_of(assigned, fold)
            _hold_out(Project(root), planned)
            learned = _teach(root, teacher or student, teachers, seed)
            ways: list[Changes] = [{}, *({**learned, "train.distillation.weight": weight} for weight in weights)]
            for (name, so_far), way in zip(reached.items(), ways, strict=True):
                _configure(root, student, seed, way)
                so_far.held_out.append(planned.test)
                so_far.outcomes.append(train(root))
                said = f"fold {fold}, {name}: macro recall {so_far.outcomes[-1].macro_recall:.3f}"
                print(said, file=sys.stderr, flush=True)
    rows = [_row(name, each, reached[PLAIN]) for name, each in reached.items()]
    head = ["learns from", "accuracy", "macro recall", "ECE", "difference in macro recall"]
    click.echo(f"Measured on {date.today().isoformat()}: {describe()}.\n\n{table(head, rows)}")


def _hold_out(project: Project, planned: Round) -> None:
    """Put the held-out fold in the place of the test images, which stay out of it all."""
    for name, frame in planned.frames().items():
        frame.to_csv(project.split(name), index=False, lineterminator="\n")


def _configure(root: Path, recipe: str, seed: int, further: Changes) -> None:
    chosen = RECIPES[recipe]
    configure(root, chosen.preset, {**chosen.changes, "train.seed": seed, **further})


def _teach(root: Path, recipe: str, teachers: int, seed: int) -> Changes:
    """Run the flow on the images of train; the settings that learn from what it wrote."""
    _configure(root, recipe, seed, {})
    command = programs.python("flows.distillation", "--folds", str(teachers))
    programs.run(command, root, environment(root), partial(print, file=sys.stderr))
    file = Project(root).soft_targets
    return {
        "train.distillation.soft_targets": file.name,
        "train.distillation.soft_targets_sha256": sha256(file),
    }


def _row(name: str, reached: Reached, plain: Reached) -> list[str]:
    images = pd.concat(reached.held_out)
    labels, gate = labels_of(images), load_preset(ROOT, "quick").gate
    targets, groups = targets_of(list(images["label"]), labels), list(images["group"])
    difference = compare(targets, reached.right, plain.right, groups, labels, gate).macro_recall
    recalls = [outcome.macro_recall for outcome in reached.outcomes]
    return [
        name,
        f"{reached.right.mean():.3f}",
        f"{mean(recalls):.3f} ± {stdev(recalls):.3f}",
        f"{mean(outcome.ece for outcome in reached.outcomes):.3f}",
        "" if reached is plain else f"{difference.estimate:+.3f} ({difference.low:+.3f} to {difference.high:+.3f})",
    ]


if __name__ == "__main__":
    main()
