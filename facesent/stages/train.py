"""Stage ``train``: from the splits to a model, its history and an MLflow run."""

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from facesent.core.console import run_stage, say
from facesent.core.paths import Project
from facesent.images.batches import TrainingExamples, read_examples, training_examples
from facesent.images.rows import read_split
from facesent.model import backend
from facesent.model.calibration import temperature_of
from facesent.model.storage import save_labels, save_model
from facesent.model.weights import weights_sha256
from facesent.params import Params, load_params
from facesent.registry.recorder import Recorder, describe, recorded_training
from facesent.registry.sheets import save_augmentation_sheets
from facesent.training import loop
from facesent.training.checkpoint import CheckpointFolder
from facesent.training.distribution import Follower, is_chief
from facesent.training.fingerprint import fingerprint
from facesent.training.loop import Trained


def train(project: Project) -> None:
    """Train on ``train.csv``, keep the epoch that is best on ``val.csv``, write ``project.train``."""
    params = load_params(project.params)
    frames = {name: read_split(project.split(name)) for name in ("train", "val")}
    labels = sorted(frames["train"]["label"].unique())
    size = params.model.image_size
    examples = training_examples(project.data, frames["train"], labels, size, spill=project.outputs)
    validation = read_examples(project.data, frames["val"], labels, size, "val", spill=project.outputs)
    computing = backend.resolve(params.train.precision)
    weights = weights_sha256(params.model)
    mark = fingerprint(params, frames, computing, weights or "")
    known = {"precision": computing, "weights_sha256": weights}
    fit = partial(loop.train, examples, validation, len(labels), params.model, params.train, fingerprint=mark)
    if not is_chief(params.train.distribute):
        fit(checkpoint=Follower(project.checkpoint, say), report=say)
        return
    description = describe(project, params, frames, fingerprint=mark, tags=known)
    folder = CheckpointFolder(project.checkpoint, say)
    say(f"computing in {computing}")
    with recorded_training(description, resume=folder.holds(mark), report=say) as run:
        _show_augmentation(run, examples, labels, params)
        trained = fit(checkpoint=folder, report=say, observe=run.log_epoch)
        _write(project, trained, labels)
        run.finish(project.model, project.labels)
    folder.clear()


def _show_augmentation(run: Recorder, examples: TrainingExamples, labels: Sequence[str], params: Params) -> None:
    with TemporaryDirectory() as folder:
        sheets = save_augmentation_sheets(
            examples, labels, params.train.augment, params.train.seed, Path(folder), params.report.no_thumbnails
        )
        run.log_pictures(sheets, "augmentation")


def _write(project: Project, trained: Trained, labels: Sequence[str]) -> None:
    project.train.mkdir(parents=True, exist_ok=True)
    save_model(trained.model, project.model)
    save_labels(labels, project.labels)
    history = pd.DataFrame(trained.history)
    history.index = pd.RangeIndex(1, len(history) + 1, name="epoch")
    history.to_csv(project.history)
    best = trained.history[trained.best_epoch]
    kept = {"best_epoch": trained.best_epoch + 1, "temperature": temperature_of(trained.model)}
    metrics = {"parameters": trained.model.count_params(), "epochs": len(history), **kept, **best}
    (project.train / "metrics.json").write_text(json.dumps(metrics, indent=1) + "\n", encoding="utf-8")
    say(
        f"kept epoch {trained.best_epoch + 1}: val_accuracy {best['val_accuracy']:.3f}, val_loss {best['val_loss']:.3f}"
    )


if __name__ == "__main__":
    run_stage(lambda: train(Project()))
