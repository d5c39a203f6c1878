"""A training's MLflow run, whole: written while it trains, or afterwards where MLflow does not know it.

What a cached or pulled model is, only its content says; so the run of a model is found by the model's hash.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
from mlflow.entities import LoggedModel

from facesent.core.console import say
from facesent.core.errors import FacesentError, TrackingError
from facesent.core.files import images_in_use, replaced
from facesent.core.nested import flatten
from facesent.core.paths import Project
from facesent.core.watching import Epoch, Row, Start, Watcher
from facesent.dataset.assignment import rows_of, text_of
from facesent.evaluation.measures import read_measures
from facesent.images.batches import training_examples
from facesent.images.rows import read_split
from facesent.model.storage import load_labels, model_sha256
from facesent.params import Params
from facesent.registry import artifacts, packaging, runs
from facesent.registry.client import mlflow_answers
from facesent.registry.known_images import unlike_of
from facesent.registry.lineage import RECORDED_TAG, changes, lineage_tags, run_name
from facesent.registry.notes import training_note

# What of evaluate's outputs the run holds: their hash.
EVALUATION_TAG = "facesent.evaluation_sha256"
# Under outputs, and no output of a stage: which run waits for the end of its training.
_UNFINISHED = "unfinished_run.json"


class Recorder(Watcher):
    """Writes a training to its run while it goes on; what MLflow did not take is given to it again, to the end.

    Args:
        project: whose training it is.
        params: all its settings.
    """

    def __init__(self, project: Project, params: Params) -> None:
        self._project = project
        self._params = params
        self._run_id: str | None = None
        self._history: list[Row] = []

    def started(self, start: Start) -> None:
        """Begin the run, or go on with that of the interrupted training."""
        known = {"precision": start.precision, "weights_sha256": start.weights_sha256}
        self._history = list(start.finished)
        resume = bool(start.finished)
        try:
            self._run_id = begin_training(
                self._project, self._params, start.frames, known, start.fingerprint, resume=resume
            )
        except TrackingError as error:
            say(f"MLflow does not have this training; evaluate or facesent promote will add it. {error}")

    def epoch(self, epoch: Epoch) -> None:
        """Log the epoch's metrics."""
        self._history.append(epoch.row)
        if self._run_id is None:
            return
        try:
            runs.log_history(self._run_id, self._history)
        except TrackingError as error:
            say(f"MLflow did not take epoch {epoch.index + 1}. {error}")

    def ended(self, error: BaseException | None) -> None:
        """End the run with the hash of the model that it made, or with how it failed."""
        if self._run_id is None:
            return
        if error is not None:
            runs.give_up(self._run_id, "FAILED" if isinstance(error, Exception) else "KILLED")
            return
        try:
            _finish(self._run_id, self._project, self._history)
        except TrackingError as away:
            _write_unfinished(self._run_id, self._project)
            say(f"MLflow does not have the end of this training yet; evaluate or facesent promote will add it. {away}")


@dataclass(frozen=True)
class Recorded:
    """What MLflow knows of a model.

    Attributes:
        run_id: the training's run.
        model: as it is served.
    """

    run_id: str
    model: LoggedModel


@mlflow_answers()
def record(project: Project, params: Params) -> Recorded:
    """Let MLflow know the trained and evaluated model as the outputs have it.

    A run that is whole is left alone, and one that lacks epochs gets them. One that MLflow lacks, since the model came
    from DVC's remote or ``mlflow.db`` is gone, is written from the outputs; then the evaluation, the augmentation's
    sheets and the model are added.

    Raises:
        TrackingError: if MLflow cannot be reached.
    """
    runs.mark_killed()
    left = _unfinished(project)
    run_id = runs.find_run(model_sha256(project.model, project.labels)) or left
    if run_id:
        _finish(run_id, project, _history_of(project))
    else:
        run_id = _record_training(project, params)
    if left:
        (project.outputs / _UNFINISHED).unlink()
    evaluation = _sha256_of(project.evaluate)
    if runs.run_tags(run_id).get(EVALUATION_TAG) != evaluation:
        _record_evaluation(run_id, project, params)
        _replace_sheets(run_id, project, params)
    unlike = unlike_of(project, params.serve)
    model = packaging.log_model(run_id, project.model, project.labels, params.serve.min_confidence, unlike)
    runs.tag_run(run_id, {EVALUATION_TAG: evaluation})
    return Recorded(run_id, model)


def begin_training(
    project: Project,
    params: Params,
    frames: Mapping[str, pd.DataFrame],
    known: Mapping[str, str | None],
    fingerprint: str | None = None,
    *,
    resume: bool = False,
) -> str:
    """Start the run of a training, or go on with it; returns its id.

    Args:
        project: whose training.
        params: all its settings.
        frames: the images of each split.
        known: further tags, of which those with a value count.
        fingerprint: of the training; None for one that nobody goes on with.
        resume: whether an interrupted training goes on.
    """
    tags = {**lineage_tags(project, params), **{name: value for name, value in known.items() if value}}
    name = run_name(project, params)
    run_id = runs.begin(name, params.flat(), fingerprint=fingerprint, tags=tags, resume=resume)
    # Last its images: a run that has them was begun whole, before a kill or on another machine.
    if not runs.has_images(run_id):
        if patch := changes(project):
            runs.log_bytes(run_id, artifacts.CHANGES, patch)
        if project.assignment.is_file():
            # Whole: images that are gone tell which of the others are in no split.
            runs.log_bytes(run_id, artifacts.ASSIGNMENT, project.assignment.read_bytes())
        runs.log_images(run_id, frames)
    return run_id


def _finish(run_id: str, project: Project, history: Sequence[Row]) -> None:
    runs.log_history(run_id, history)
    if not runs.is_finished(run_id):
        runs.tag_run(run_id, {runs.MODEL_TAG: model_sha256(project.model, project.labels)})
        runs.finish(run_id, _kept(project, history))


def _kept(project: Project, history: Sequence[Row]) -> dict[str, float]:
    """What the kept epoch reached on validation: the run's ``val_accuracy`` is the model's, not the last epoch's."""
    epoch = json.loads(project.training_metrics.read_text(encoding="utf-8"))["best_epoch"]
    return {name: value for name, value in history[epoch - 1].items() if name.startswith("val_")}


def _history_of(project: Project) -> Sequence[Row]:
    """What the training says that its epochs gave, whatever MLflow was told."""
    return runs.rows_of(pd.read_csv(project.history, index_col="epoch"))


def _write_unfinished(run_id: str, project: Project) -> None:
    """Keep the run that this model belongs to where ``_unfinished`` finds it when MLflow answers again."""
    left = {"run_id": run_id, "model_sha256": model_sha256(project.model, project.labels)}
    with replaced(project.outputs / _UNFINISHED) as draft:
        draft.write_text(json.dumps(left), encoding="utf-8")


def _unfinished(project: Project) -> str | None:
    """The run of the model here that MLflow was away for the end of, if there is one."""
    path = project.outputs / _UNFINISHED
    if not path.is_file():
        return None
    left = json.loads(path.read_text(encoding="utf-8"))
    ours = left.get("model_sha256") == model_sha256(project.model, project.labels)
    return left["run_id"] if ours and runs.exists(left["run_id"]) else None


def _record_training(project: Project, params: Params) -> str:
    frames = {name: read_split(project.split(name)) for name in ("train", "val")}
    # Commit, packages and machine are then those of now.
    run_id = begin_training(project, params, frames, {RECORDED_TAG: "afterwards"})
    with runs.recorded(run_id):
        _finish(run_id, project, _history_of(project))
    return run_id


def _record_evaluation(run_id: str, project: Project, params: Params) -> None:
    metrics = json.loads(project.metrics.read_text(encoding="utf-8"))
    runs.log_images(run_id, {"test": read_split(project.split("test"))})
    runs.log_bytes(run_id, artifacts.SEEN, _seen(project).encode())
    runs.log_metrics(run_id, _evaluation_metrics(metrics))
    runs.log_files(run_id, sorted(project.evaluate.iterdir()), artifacts.EVALUATION)
    trained = json.loads(project.training_metrics.read_text(encoding="utf-8"))
    epochs = len(pd.read_csv(project.history))
    runs.tag_run(run_id, training_note(params.model, epochs, trained["best_epoch"], read_measures(project.metrics)))


def _seen(project: Project) -> str:
    """The rows of assignment.csv of what the model was trained and tuned on: nothing of the kind may test it."""
    seen = pd.concat([read_split(project.split(name)) for name in ("train", "val")])
    return text_of(rows_of(project.assignment, seen["sha256"]))


def _replace_sheets(run_id: str, project: Project, params: Params) -> None:
    """Show what augmentation does to the images of the classes that may be shown, and nothing that was shown before."""
    from facesent.registry.sheets import save_augmentation_sheets

    frame, labels = read_split(project.split("train")), load_labels(project.labels)
    examples = training_examples(project.data, frame, labels, params.model.image_size, spill=project.outputs)
    with TemporaryDirectory() as folder, images_in_use(project.data):
        runs.remove_files(run_id, artifacts.SHEETS)
        try:
            sheets = save_augmentation_sheets(
                examples, labels, params.train.augment, params.train.seed, Path(folder), params.report.no_thumbnails
            )
        except (FacesentError, OSError) as error:
            # A pulled model may have no images beside it.
            say(f"MLflow shows no augmented images. {error}")
            return
        runs.log_files(run_id, sheets, artifacts.SHEETS)


def _sha256_of(folder: Path) -> str:
    """Of all files, by name and content."""
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        digest.update(f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def _evaluation_metrics(splits: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """Names and values for MLflow: all of the test split, and the accuracy on the training images."""
    test = dict(splits["test"])
    classes, slices = test.pop("classes"), test.pop("slices", {})
    # MLflow's pages make a section of each part before a slash.
    metrics = {f"test_{name}": float(value) for name, value in flatten(test, "/").items()}
    for label, of_class in classes.items():
        metrics |= {f"test_{name}/{label}": float(value) for name, value in of_class.items()}
    metrics |= {f"test_slice_gap/{name}": of["gap"]["value"] for name, of in slices.items() if of["gap"]}
    return {**metrics, "train_accuracy": float(splits["train"]["accuracy"])}
