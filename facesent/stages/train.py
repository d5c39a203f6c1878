"""Stage ``train``: from the splits to a model and its history."""

import json
import shutil
from collections.abc import Sequence

import pandas as pd

from facesent.core.console import run_stage_as_before
from facesent.core.paths import Project
from facesent.core.watching import NOBODY, Watcher
from facesent.images.rows import labels_of, read_split
from facesent.model.calibration import temperature_of
from facesent.model.settings import Model
from facesent.model.storage import save_labels, save_model
from facesent.section import section
from facesent.training import loop
from facesent.training.distribution import is_chief
from facesent.training.loop import Trained
from facesent.training.settings import Train


def train(project: Project, watch: Watcher = NOBODY) -> None:
    """Train on ``train.csv``, keep the epoch that is best on ``val.csv``, write ``project.train``."""
    model, settings = section(project.params, "model", Model), section(project.params, "train", Train)
    frames = {name: read_split(project.split(name)) for name in ("train", "val")}
    trained = loop.fit(
        project.data, frames, model, settings, checkpoint=project.checkpoint, watch=watch, spill=project.outputs
    )
    if is_chief(settings.distribute):
        _write(project, trained, labels_of(frames["train"]))
        shutil.rmtree(project.checkpoint, ignore_errors=True)


def _write(project: Project, trained: Trained, labels: Sequence[str]) -> None:
    project.train.mkdir(parents=True, exist_ok=True)
    save_model(trained.model, project.model)
    save_labels(labels, project.labels)
    history = pd.DataFrame(trained.history)
    history.index = pd.RangeIndex(1, len(history) + 1, name="epoch")
    history.to_csv(project.history)
    kept = {"best_epoch": trained.best_epoch + 1, "temperature": temperature_of(trained.model)}
    metrics = {
        "parameters": trained.model.count_params(),
        "epochs": len(history),
        **kept,
        **trained.history[trained.best_epoch],
    }
    project.training_metrics.write_text(json.dumps(metrics, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    run_stage_as_before("train")
