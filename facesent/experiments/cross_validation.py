"""A cross-validation as a whole: planned before the folds are trained, recorded after them."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from facesent.core.paths import Project
from facesent.experiments import fold_result, summary
from facesent.experiments.fold_result import FoldResult
from facesent.experiments.folds import (
    CrossValidationError,
    Folder,
    assign,
    images_of,
    read_folds,
    round_of,
    settings_of_folds,
    write_folds,
)
from facesent.experiments.summary import FoldsSummary
from facesent.params import load_params
from facesent.registry.lineage import FLOW_RUN_TAG, lineage_tags, run_name


@dataclass(frozen=True)
class PlannedFolds:
    """What is to be trained.

    Attributes:
        folder: of the cross-validation.
        fingerprints: of each fold, the first one's first: what its result will be known by.
        parent_id: MLflow's id of the run that holds those of the folds.
    """

    folder: Folder
    fingerprints: tuple[str, ...]
    parent_id: str


def plan_folds(project: Project, folds: int | None = None, *, flow_run: str) -> PlannedFolds:
    """Divide the images of train and val, to hold each out once: how good are these settings?

    Args:
        project: whose images and settings are used.
        folds: how many; by default as the settings say.
        flow_run: a tag of the parent run.

    Raises:
        CrossValidationError: the images cannot be divided into these folds, or these settings cannot be measured so.
        TrackingError: if MLflow cannot be reached.
    """
    if load_params(project.params).train.distillation.is_on:
        raise CrossValidationError(
            "Expected train.distillation.soft_targets: none. Received: a file. Its teachers learned from the images "
            "that each fold holds out, so the results would look too good. Set it to none, or run `dvc repro` and "
            "compare the results on validation."
        )
    return plan(project, Folder.of(project), ("train", "val"), folds, name="folds", flow_run=flow_run)


def plan(
    project: Project, folder: Folder, splits: Sequence[str], folds: int | None, *, name: str, flow_run: str
) -> PlannedFolds:
    """Divide the images, write ``folds.csv``, and begin the parent run or go on with it.

    Args:
        project: whose images and settings are used.
        folder: of the cross-validation.
        splits: whose images are held out.
        folds: how many; by default as the settings say.
        name: of what is trained, for the parent run's.
        flow_run: a tag of the parent run.

    Raises:
        CrossValidationError: the images cannot be divided into these folds.
        TrackingError: if MLflow cannot be reached.
    """
    from facesent.registry import runs

    params = settings_of_folds(project)
    count = params.cross_validation.folds if folds is None else folds
    assigned = assign(images_of(project, splits), count, params.cross_validation.seed)
    fingerprints = tuple(fold_result.fingerprint_of(params, round_of(assigned, fold)) for fold in range(1, count + 1))
    settings = {**params.flat(), "cross_validation.folds": count}
    whole = hashlib.sha256("\0".join(fingerprints).encode()).hexdigest()
    tags = {**lineage_tags(project, params), FLOW_RUN_TAG: flow_run}
    parent_id = runs.begin(f"{count} {name} {run_name(project, params)}", settings, fingerprint=whole, tags=tags)
    write_folds(assigned, folder.folds)
    return PlannedFolds(folder, fingerprints, parent_id)


def conclude(project: Project, planned: PlannedFolds) -> FoldsSummary:
    """Write what the folds have in common, and end the parent run with it.

    Raises:
        CrossValidationError: a fold is missing, or of other settings.
        TrackingError: if MLflow cannot be reached.
    """
    from facesent.registry import runs

    folder = planned.folder
    results = summary.gather(folder, planned.fingerprints)
    written = summary.write(folder, results, read_folds(folder.folds), load_params(project.params).evaluate)
    known = runs.finished_children(planned.parent_id)
    for fold in results:
        if fold.fingerprint not in known:
            _record(fold, planned.parent_id)
    runs.log_files(planned.parent_id, (folder.report, folder.summary, folder.curves, folder.predictions))
    spread = {f"mean_{name}": value for name, value in written.mean.items()}
    spread |= {f"deviation_{name}": value for name, value in written.deviation.items()}
    pooled = {"held_out_ece": written.pooled.ece, "held_out_ece_debiased": written.pooled.ece_debiased}
    runs.finish(planned.parent_id, spread | pooled)
    return written


def _record(fold: FoldResult, parent_id: str) -> None:
    """A kill may have come before MLflow was told, or ``mlflow.db`` may be gone: the run is written from the result."""
    from facesent.registry import runs

    params = {"fold": fold.fold, "images.test": len(fold.predictions)}
    run_id = runs.begin(f"fold {fold.fold}", params, fingerprint=fold.fingerprint, parent=parent_id)
    with runs.recorded(run_id):
        runs.log_history(run_id, runs.rows_of(fold.history))
        runs.finish(run_id, fold.metrics)
