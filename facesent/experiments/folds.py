"""Which images each fold holds out, validates on and trains on."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from facesent.core.errors import FacesentError
from facesent.core.files import replaced
from facesent.core.paths import Project
from facesent.dataset.folds import stratified_folds
from facesent.dataset.similarity import groups_of
from facesent.images.rows import read_split
from facesent.params import Params, load_params
from facesent.training.settings import Distillation

# One fold is held out, one validates, and something has to be left to train on.
FEWEST_FOLDS = 3


class CrossValidationError(FacesentError):
    """The images cannot be divided into the folds asked for, or a fold's result is missing or not of these settings."""


@dataclass(frozen=True)
class Round:
    """One training of a cross-validation: three disjoint sets of rows, none of which shares a group with another.

    Attributes:
        fold: number of the fold that is held out, from 1.
        train: images to learn from: all folds but two.
        val: the next fold, which decides about stopping, learning rate, the best epoch and the temperature. The fold
            that is held out must not: its score would flatter the network that was chosen by it.
        test: the fold that is held out, which only the kept weights see, once.
    """

    fold: int
    train: pd.DataFrame
    val: pd.DataFrame
    test: pd.DataFrame

    def frames(self) -> dict[str, pd.DataFrame]:
        """The three sets by name."""
        return {"train": self.train, "val": self.val, "test": self.test}


def assign(images: pd.DataFrame, folds: int, seed: int) -> pd.DataFrame:
    """Number the fold of each image: stratified by label, and never through a group.

    Args:
        images: ``file_name, label, group, sha256``, in any order, which does not matter.
        folds: how many.
        seed: of the folds.

    Returns:
        The images sorted by ``file_name``, with a column ``fold`` from 1.

    Raises:
        CrossValidationError: the folds are too few or too many, or a class cannot be learnt in each of them.
    """
    if folds < FEWEST_FOLDS:
        raise CrossValidationError(
            f"Expected at least {FEWEST_FOLDS} folds: one is held out, one validates, and the others train. "
            f"Received: {folds}. Change cross_validation.folds in params.yaml, or --folds."
        )
    table = images.sort_values("file_name", ignore_index=True)
    labels = table["label"].to_numpy(dtype=np.str_)
    table["fold"] = stratified_folds(labels, groups_of(table["group"]), folds, seed) + 1
    _require_full(table, folds)
    _require_each_class(table)
    return table


def round_of(assigned: pd.DataFrame, fold: int) -> Round:
    """The training that holds out ``fold`` (from 1) of what ``assign`` gave."""
    folds = int(assigned["fold"].max())
    validating = fold % folds + 1
    held_out, chosen = assigned["fold"] == fold, assigned["fold"] == validating
    sets = [assigned[rows].drop(columns="fold") for rows in (~held_out & ~chosen, chosen, held_out)]
    return Round(fold, *(rows.reset_index(drop=True) for rows in sets))


def _require_full(assigned: pd.DataFrame, folds: int) -> None:
    """A fold without images would have nothing to hold out; with images for fewer than three, ``folds`` is not why."""
    largest, groups = int(assigned["label"].value_counts().max()), assigned["group"].nunique()
    most = min(largest, groups, folds - 1)
    if assigned["fold"].nunique() < folds and most >= FEWEST_FOLDS:
        raise CrossValidationError(
            f"Expected images in each fold. Received: {folds} folds for {groups} groups, and {largest} images "
            f"in the largest class. Lower cross_validation.folds in params.yaml, or --folds, to at most {most}."
        )


def _require_each_class(assigned: pd.DataFrame) -> None:
    """A training leaves two folds out: only a class in three or more is in every training."""
    spread = assigned.groupby("label")["fold"].nunique()
    if (few := spread[spread < FEWEST_FOLDS]).size:
        received = ", ".join(f"{label} in {count}" for label, count in few.items())
        raise CrossValidationError(
            f"Expected each class in at least {FEWEST_FOLDS} folds, so that each training sees it. "
            f"Received: {received}. Add images or groups: images of one group are never in two folds."
        )


def settings_of_folds(project: Project) -> Params:
    """Those that a fold is trained with: labels alone, as networks that answered before have seen what it holds out."""
    params = load_params(project.params)
    return params.model_copy(update={"train": params.train.model_copy(update={"distillation": Distillation()})})


@dataclass(frozen=True)
class Folder:
    """The files of a cross-validation."""

    root: Path

    @classmethod
    def of(cls, project: Project) -> "Folder":
        """The folder of a project's cross-validation."""
        return cls(project.cross_validation)

    @classmethod
    def of_teachers(cls, project: Project) -> "Folder":
        """The folder of the networks that a project's distillation learns from."""
        return cls(project.distillation)

    @property
    def folds(self) -> Path:
        """The images with their folds, written before the first training."""
        return self.root / "folds.csv"

    def fold(self, fold: int) -> Path:
        """What became of a fold."""
        return self.root / f"fold-{fold}"

    def checkpoint(self, fold: int) -> Path:
        """The state of a fold's training under way."""
        return self.root / "checkpoints" / f"fold-{fold}"

    def lock(self, fold: int) -> Path:
        """Held by the process that trains a fold."""
        return self.root / "checkpoints" / f"fold-{fold}.lock"

    @property
    def predictions(self) -> Path:
        """The out-of-fold predictions: one row an image."""
        return self.root / "predictions.csv"

    @property
    def summary(self) -> Path:
        """The measures of all folds, for programs."""
        return self.root / "summary.json"

    @property
    def report(self) -> Path:
        """The measures of all folds, for people."""
        return self.root / "summary.md"

    @property
    def curves(self) -> Path:
        """The epochs of all folds in one picture."""
        return self.root / "curves.png"


def images_of(project: Project, splits: Sequence[str]) -> pd.DataFrame:
    """The images of these splits, which are never test, for ``evaluate`` alone: ``file_name, label, group, sha256``.

    Raises:
        CrossValidationError: there are no splits.
    """
    missing = [path for name in splits if not (path := project.split(name)).is_file()]
    if missing:
        raise CrossValidationError(
            f"Expected the splits in {missing[0].parent}. Received: no {missing[0].name}. Run: dvc repro split"
        )
    return pd.concat([read_split(project.split(name)) for name in splits], ignore_index=True)


def write_folds(assigned: pd.DataFrame, path: Path) -> None:
    """Write what ``assign`` gave, in one rename."""
    with replaced(path) as draft:
        assigned.to_csv(draft, index=False, lineterminator="\n")


def read_folds(path: Path) -> pd.DataFrame:
    """Read what ``write_folds`` wrote."""
    return read_split(path).astype({"fold": int})
