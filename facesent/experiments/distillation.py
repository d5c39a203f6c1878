"""The networks whose answers another one learns: each answers for the training images that it has not seen."""

from dataclasses import dataclass

import pandas as pd

from facesent.core.files import replaced, sha256
from facesent.core.paths import Project
from facesent.evaluation.predictions import classes_of
from facesent.experiments import cross_validation
from facesent.experiments.cross_validation import PlannedFolds
from facesent.experiments.folds import Folder, read_folds
from facesent.experiments.summary import FoldsSummary
from facesent.images.rows import PROBABILITY
from facesent.training.soft_targets import IMAGE, LABEL

_SETTINGS = "train.distillation"


@dataclass(frozen=True)
class SoftTargets:
    """What the networks answered.

    Attributes:
        summary: of the networks, as a cross-validation has it.
        images: how many they answered.
        values: the settings that learn from it, by key.
    """

    summary: FoldsSummary
    images: int
    values: dict[str, str]


def plan_teachers(project: Project, folds: int | None = None, *, flow_run: str) -> PlannedFolds:
    """Divide the images of train alone: what has learned from val or test must not teach what these judge.

    The arguments and errors are those of ``cross_validation.plan``.
    """
    folder = Folder.of_teachers(project)
    return cross_validation.plan(project, folder, ("train",), folds, name="teachers", flow_run=flow_run)


def conclude(project: Project, planned: PlannedFolds) -> SoftTargets:
    """Write ``soft_targets.csv``, and end the parent run.

    Raises:
        CrossValidationError: a fold is missing, or of other settings.
        TrackingError: if MLflow cannot be reached.
    """
    summary = cross_validation.conclude(project, planned)
    text = {"file_name": str, LABEL: str}
    answers = pd.read_csv(planned.folder.predictions, dtype=text, keep_default_na=False, lineterminator="\n")
    shown = answers.merge(read_folds(planned.folder.folds)[["file_name", IMAGE]], on="file_name")
    table = shown[[IMAGE, LABEL, *(PROBABILITY + label for label in classes_of(answers))]]
    # No file names: it is kept in git.
    table = table.drop_duplicates(IMAGE).sort_values(IMAGE)
    with replaced(project.soft_targets) as draft:
        table.to_csv(draft, index=False, float_format="%.6g", lineterminator="\n")
    file = {"soft_targets": project.soft_targets.name, "soft_targets_sha256": sha256(project.soft_targets)}
    return SoftTargets(summary, len(table), {f"{_SETTINGS}.{key}": value for key, value in file.items()})
