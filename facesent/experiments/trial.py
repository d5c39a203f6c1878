"""One trial, in a process of its own.

``python -m facesent.experiments.trial FOLDER`` trains with ``FOLDER/params.yaml``.

Each epoch's logs are a line of JSON on stdout; all else goes to stderr. The process ends with the one that started it.
"""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

from facesent.core.console import run_stage
from facesent.core.lifeline import end_with_stdin
from facesent.core.paths import Project
from facesent.params import load_params
from facesent.training.fingerprint import fingerprint

CHECKPOINT = "checkpoint"


def train_trial(project: Project, folder: Path, rows: TextIO) -> None:
    """Train on ``train.csv`` and measure on ``val.csv``; a killed trial goes on at its last finished epoch.

    Args:
        project: whose images and splits.
        folder: holds ``params.yaml``, and the checkpoint while the trial is under way.
        rows: takes ``{"epoch": 0, "row": {…}}`` of every epoch, first of those that were trained before.
    """
    params = load_params(folder / "params.yaml")
    # These load TensorFlow: settings that are refused should not wait for it.
    from facesent.images.batches import read_examples, training_examples
    from facesent.images.rows import read_split
    from facesent.model import backend
    from facesent.model.weights import weights_sha256
    from facesent.training import loop
    from facesent.training.checkpoint import CheckpointFolder

    frames = {name: read_split(project.split(name)) for name in ("train", "val")}
    labels, size = sorted(frames["train"]["label"].unique()), params.model.image_size
    mark = fingerprint(params, frames, backend.resolve(params.train.precision), weights_sha256(params.model) or "")
    checkpoint = CheckpointFolder(folder / CHECKPOINT, _say)
    if before := checkpoint.load(mark):
        for epoch, row in enumerate(before.history):
            _emit(rows, epoch, row)
        before = None  # its arrays would stay in memory beside the training's own
    loop.train(
        training_examples(project.data, frames["train"], labels, size, spill=project.outputs),
        read_examples(project.data, frames["val"], labels, size, "val", spill=project.outputs),
        len(labels),
        params.model,
        params.train,
        checkpoint=checkpoint,
        fingerprint=mark,
        report=_say,
        observe=lambda epoch, row: _emit(rows, epoch, row),
    )


def _emit(rows: TextIO, epoch: int, row: Mapping[str, float]) -> None:
    print(json.dumps({"epoch": epoch, "row": dict(row)}), file=rows, flush=True)


def _say(line: object) -> None:
    print(line, file=sys.stderr, flush=True)


def _rows_of_stdout() -> TextIO:
    """Keep stdout for rows: what libraries print there goes to stderr."""
    rows = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return rows


if __name__ == "__main__":
    end_with_stdin()
    stdout = _rows_of_stdout()
    run_stage(lambda: train_trial(Project(), Path(sys.argv[1]), stdout))
