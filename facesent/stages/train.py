"""Stage ``train``: from the splits to a model, its history and an MLflow run."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from inspect import getsource

import pandas as pd

from facesent.console import run_stage, say
from facesent.data import augmentation, decoded, images, pipeline
from facesent.data.examples import read_examples, read_split, training_examples
from facesent.model import architectures, checkpoint, layers, optimizer, precision, storage, training
from facesent.model.checkpoint import CheckpointFolder
from facesent.model.storage import save_labels, save_model
from facesent.model.training import Trained
from facesent.params import Params, load_params
from facesent.project import Project
from facesent.registry.recording import describe, recorded_training

# What decides about the weights: a checkpoint that other code or versions wrote is not resumed.
_CODE = (
    *(augmentation, decoded, images, pipeline),
    *(architectures, checkpoint, layers, optimizer, precision, storage, training),
)
_LIBRARIES = ("keras", "numpy", "opencv-python-headless", "pillow", "tensorflow")


def train(project: Project) -> None:
    """Train on ``train.csv``, keep the epoch that is best on ``val.csv``, write ``project.train``."""
    params = load_params(project.params)
    frames = {name: read_split(project.split(name)) for name in ("train", "val")}
    labels = sorted(frames["train"]["label"].unique())
    size = params.model.image_size
    examples = training_examples(project.data, frames["train"], labels, size, spill=project.outputs)
    validation = read_examples(project.data, frames["val"], labels, size, "val", spill=project.outputs)
    fingerprint = _fingerprint(params, frames)
    description = describe(project, params, frames, fingerprint)
    folder = CheckpointFolder(project.checkpoint, on_failure=_say_not_saved)
    say(f"computing in {precision.resolve(params.train.precision)}")
    with recorded_training(description, resume=folder.holds(fingerprint), report=say) as run:
        trained = training.train(
            examples,
            validation,
            len(labels),
            params.model,
            params.train,
            checkpoint=folder,
            fingerprint=fingerprint,
            report=say,
            observe=run.log_epoch,
        )
        _write(project, trained, labels)
        run.finish(project.model, project.labels)
    folder.clear()


def _write(project: Project, trained: Trained, labels: Sequence[str]) -> None:
    project.train.mkdir(parents=True, exist_ok=True)
    save_model(trained.model, project.model)
    save_labels(labels, project.labels)
    history = pd.DataFrame(trained.history)
    history.index = pd.RangeIndex(1, len(history) + 1, name="epoch")
    history.to_csv(project.history)
    best = trained.history[trained.best_epoch]
    metrics = {"epochs": len(history), "best_epoch": trained.best_epoch + 1, **best}
    (project.train / "metrics.json").write_text(json.dumps(metrics, indent=1) + "\n", encoding="utf-8")
    say(
        f"kept epoch {trained.best_epoch + 1}: val_accuracy {best['val_accuracy']:.3f}, val_loss {best['val_loss']:.3f}"
    )


def _fingerprint(params: Params, frames: Mapping[str, pd.DataFrame]) -> str:
    """Hash of all that decides about the weights."""
    parts = [
        params.model.model_dump_json(),
        params.train.model_dump_json(),
        precision.resolve(params.train.precision),
        *(frame.to_csv(index=False) for frame in frames.values()),
        *(getsource(module) for module in _CODE),
        *(f"{name} {version(name)}" for name in _LIBRARIES),
    ]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _say_not_saved(error: OSError) -> None:
    say(f"This epoch's state could not be saved ({error}); a restart would resume at the one before.")


if __name__ == "__main__":
    run_stage(lambda: train(Project()))
