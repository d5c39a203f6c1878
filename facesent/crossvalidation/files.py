"""Where a cross-validation lies on the disk."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from facesent.crossvalidation.errors import CrossValidationError
from facesent.data.examples import read_split
from facesent.project import Project


@dataclass(frozen=True)
class Folder:
    """``outputs/cross_validation``: no output of a DVC stage, so that DVC leaves it to a restart."""

    root: Path

    @classmethod
    def of(cls, project: Project) -> "Folder":
        """The project's."""
        return cls(project.outputs / "cross_validation")

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


def images_of(project: Project) -> pd.DataFrame:
    """The images of train and val: ``file_name, label, group, sha256``.

    Those of test stay out of it: they are for ``evaluate`` alone.

    Raises:
        CrossValidationError: there are no splits.
    """
    missing = [path for name in ("train", "val") if not (path := project.split(name)).is_file()]
    if missing:
        raise CrossValidationError(
            f"Expected the splits in {missing[0].parent}. Received: no {missing[0].name}. Run: dvc repro split"
        )
    return pd.concat([read_split(project.split(name)) for name in ("train", "val")], ignore_index=True)


def write_folds(assigned: pd.DataFrame, path: Path) -> None:
    """Write what ``plan.assign`` gave, in one rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    assigned.to_csv(draft, index=False, lineterminator="\n")
    draft.replace(path)


def read_folds(path: Path) -> pd.DataFrame:
    """Read what ``write_folds`` wrote."""
    return read_split(path).astype({"fold": int})
