"""A training's MLflow run, whole: written while it trains, or afterwards where MLflow does not know it."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.exceptions import MlflowException

from facesent.core.paths import Project
from facesent.evaluation.measures import Measures
from facesent.images.rows import read_split
from facesent.model.storage import model_sha256
from facesent.params import Params
from facesent.registry import packaging, runs
from facesent.registry.client import mlflow_answers
from facesent.registry.lineage import changes, lineage_tags, run_name
from facesent.registry.notes import training_note
from facesent.registry.runs import Description

Report = Callable[[str], None]


RECORDED_TAG = "recorded"


@dataclass(frozen=True)
class Recorder:
    """Writes one training to its run.

    Attributes:
        run_id: MLflow's id of the run.
        report: told when an epoch could not be logged; the training goes on.
        min_confidence: what the model is logged to answer at.
    """

    run_id: str
    report: Report
    min_confidence: float = 0.0

    def log_epoch(self, epoch: int, row: Mapping[str, float]) -> None:
        """Log an epoch's metrics."""
        try:
            runs.log_epoch(self.run_id, epoch, row)
        except MlflowException as error:
            self.report(f"MLflow did not take epoch {epoch + 1}: {error}")

    def log_pictures(self, files: Sequence[Path], folder: str) -> None:
        """Log pictures under ``folder``."""
        try:
            runs.log_files(self.run_id, files, folder)
        except MlflowException as error:
            self.report(f"MLflow did not take the pictures {folder}: {error}")

    def finish(self, model: Path, labels: Path) -> None:
        """Log the model and end the run."""
        packaging.log_model(self.run_id, model, labels, self.min_confidence)
        runs.finish(self.run_id, model_sha256(model, labels))


def describe(
    project: Project,
    params: Params,
    splits: Mapping[str, pd.DataFrame],
    *,
    fingerprint: str | None = None,
    tags: Mapping[str, str | None] | None = None,
) -> Description:
    """What MLflow is told of a training before it starts; of ``tags`` those with a value."""
    further = {name: value for name, value in (tags or {}).items() if value}
    return Description(
        name=run_name(project, params),
        fingerprint=fingerprint,
        params=params.flat(),
        tags={**lineage_tags(project), **further},
        splits=splits,
        changes=changes(project),
    )


@contextmanager
def recorded_training(description: Description, *, resume: bool, report: Report) -> Iterator[Recorder]:
    """Open the run of a training; it is marked as failed if the training raises.

    Raises:
        TrackingError: if MLflow cannot be reached.
    """
    with mlflow_answers():
        run_id = runs.begin(description, resume=resume)
    try:
        yield Recorder(run_id, report, float(description.params["serve.min_confidence"]))
    except BaseException:
        runs.fail(run_id)
        raise


@mlflow_answers()
def record_evaluation(project: Project, params: Params) -> str:
    """Log what ``evaluate`` wrote to the run that trained the model; returns its id.

    Raises:
        TrackingError: if MLflow cannot be reached.
    """
    run_id = runs.find_run(model_sha256(project.model, project.labels)) or _record_training(project, params)
    metrics = json.loads(project.metrics.read_text(encoding="utf-8"))
    test = read_split(project.split("test"))
    runs.log_evaluation(run_id, test, _evaluation_metrics(metrics), sorted(project.evaluate.iterdir()))
    measures = {split: Measures.from_dict(values) for split, values in metrics.items()}
    trained = json.loads((project.train / "metrics.json").read_text(encoding="utf-8"))
    epochs = len(pd.read_csv(project.history))
    runs.tag_run(run_id, training_note(params.model, epochs, trained["best_epoch"], measures))
    return run_id


def find_or_record(project: Project, params: Params) -> str:
    """Id of the run that trained and evaluated the current model; written from the outputs if MLflow lacks it."""
    return runs.find_run(model_sha256(project.model, project.labels)) or record_evaluation(project, params)


def _record_training(project: Project, params: Params) -> str:
    """A model may come from DVC's remote, or ``mlflow.db`` may be gone: the run is then written from the outputs."""
    splits = {name: read_split(project.split(name)) for name in ("train", "val")}
    history = pd.read_csv(project.history, index_col="epoch")
    # Commit, packages and machine are then those of now.
    description = describe(project, params, splits, tags={RECORDED_TAG: "afterwards"})
    with recorded_training(description, resume=False, report=print) as recorder:
        for epoch, row in enumerate(history.to_dict("records")):
            recorder.log_epoch(epoch, {str(name): float(value) for name, value in row.items()})
        recorder.finish(project.model, project.labels)
    return recorder.run_id


def _evaluation_metrics(splits: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """Names and values for MLflow: the whole of the test split, the accuracies of the others."""
    test = dict(splits["test"])
    classes = test.pop("classes")
    metrics = {runs.metric_name(f"test_{name}"): value for name, value in _flat(test)}
    for label, of_class in classes.items():
        metrics |= {runs.metric_name(f"test_{name}/{label}"): float(value) for name, value in of_class.items()}
    return metrics | {f"final_{name}_accuracy": float(splits[name]["accuracy"]) for name in ("train", "val")}


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    """Names of nested values as paths, by which MLflow's pages group them."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}/")
        else:
            yield f"{prefix}{name}", float(value)
