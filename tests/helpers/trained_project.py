"""A project after its stages, with a network of eight numbers instead of a long training.

Its photos are flat grey: those of "Dark" are dark and those of "Light" are light, and so the network tells them
apart by brightness alone. ``threshold`` moves the border, so that a worse model can be made on purpose.
"""

import hashlib
import json
import re
import shutil
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from PIL import Image

from facesent.core.paths import SPLITS, Project
from facesent.dataset.assignment import identities, write_assignment
from facesent.model.storage import model_sha256, save_labels, save_model
from facesent.params import load_params

SIDE = 16
REPOSITORY = Path(__file__).parents[2]


def make_project(
    root: Path, *, labels: Sequence[str] = ("Dark", "Light"), threshold: float = 0.0, recorded: bool = True
) -> Project:
    """Photos, splits, settings, model and evaluation under ``root``, and a run in MLflow if it is recorded."""
    from facesent.registry.recorder import record

    project = Project(root)
    shutil.copytree(_evaluated(tuple(labels), threshold).name, root, dirs_exist_ok=True)
    if recorded:
        record(project, load_params(project.params))
    return project


@cache
def _evaluated(labels: Sequence[str], threshold: float) -> "TemporaryDirectory[str]":
    """The same for all tests of a process: the evaluation takes seconds."""
    from facesent.stages.evaluate import evaluate

    folder = TemporaryDirectory(prefix="facesent-trained-")
    project = Project(Path(folder.name))
    (project.root / "presets").mkdir()
    for name in ("params.yaml", "presets/quick.yaml"):
        # Each augmentation that is on is a sheet for every run that is recorded.
        settings = re.sub(
            r"^(    (?:rotation|zoom|shift): +)\S+", r"\g<1>0.0", (REPOSITORY / name).read_text(), flags=re.M
        )
        (project.root / name).write_text(settings)
    _write_photos_and_splits(project, labels)
    write_model(project, labels, threshold)
    evaluate(project)
    return folder


def write_model(project: Project, labels: Sequence[str], threshold: float) -> None:
    """What ``train`` writes; photos brighter than ``threshold`` (-1..1) are the second label."""
    import keras

    project.train.mkdir(parents=True, exist_ok=True)
    inputs = keras.Input((SIDE, SIDE, 3), dtype="uint8", name="image")
    x = keras.layers.Rescaling(1 / 127.5, offset=-1, name="rescale")(inputs)
    x = keras.layers.GlobalAveragePooling2D(name="average")(x)
    dense = keras.layers.Dense(2, activation="softmax", name="probabilities")
    model = keras.Model(inputs, dense(x), name="brightness")
    weight = np.array([[-1.0, 1.0]] * 3, np.float32)
    dense.set_weights([weight, np.array([3 * threshold, -3 * threshold], np.float32)])
    save_model(model, project.model)
    save_labels(labels, project.labels)
    history = pd.DataFrame(
        {"loss": [0.9, 0.5], "val_loss": [0.9, 0.6], "accuracy": [0.5, 0.9], "val_accuracy": [0.5, 0.8]}
    )
    history.index = pd.RangeIndex(1, 3, name="epoch")
    history.to_csv(project.history)
    (project.train / "metrics.json").write_text(json.dumps({"best_epoch": 2}))
    # Tests that write a further model let the measures of the first stand for it, but not its answers.
    project.evaluate.mkdir(parents=True, exist_ok=True)
    project.evaluated_model.write_text(model_sha256(project.model, project.labels))
    project.answers_sha256.unlink(missing_ok=True)


def _write_photos_and_splits(project: Project, labels: Sequence[str]) -> None:
    rows = []
    for label, brightness in zip(labels, (60, 190), strict=True):
        (project.data / label).mkdir(parents=True, exist_ok=True)
        for i in range(30):
            name = f"{label}/{i:02d}.png"
            Image.new("L", (24, 24), brightness + 2 * i).save(project.data / name)
            digest = hashlib.sha256((project.data / name).read_bytes()).hexdigest()
            rows.append({"file_name": name, "label": label, "group": name, "sha256": digest, "split": SPLITS[i % 3]})
    frame = pd.DataFrame(rows)
    # Flat pictures are all alike: their hashes here are those of pictures that are not.
    known = identities(frame.assign(phash=frame["sha256"].str[-16:]))
    write_assignment(project.assignment, known.assign(split=frame["split"]))
    project.split("train").parent.mkdir(parents=True, exist_ok=True)
    for name, part in frame.groupby("split"):
        part.drop(columns="split").to_csv(project.split(str(name)), index=False)
