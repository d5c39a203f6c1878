"""One fold in a process of its own: trained, scored on the images that it held out, recorded as a child run.

``python -m facesent.experiments.fold --fold 2 --parent RUN`` is what the flow starts. Keras keeps its seeds and its
precision for a whole process: two trainings in threads of one would change each other's weights.
"""

import argparse
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from facesent.core.console import run_stage, say
from facesent.core.files import locked
from facesent.core.lifeline import end_with_stdin
from facesent.core.paths import Project
from facesent.experiments import fold_result
from facesent.experiments.fold_result import FoldResult
from facesent.experiments.folds import Folder, Round, read_folds, round_of
from facesent.params import Params, load_params
from facesent.registry.client import prepare

Observer = Callable[[int, dict[str, float]], None]


def train_fold(project: Project, fold: int, parent_id: str) -> None:
    """Train and score one fold of ``folds.csv``, unless its result is there; go on where a kill left its training.

    Args:
        project: whose images and settings are used.
        fold: its number, from 1.
        parent_id: MLflow's id of the cross-validation's run.
    """
    folder = Folder.of(project)
    params = load_params(project.params)
    planned = round_of(read_folds(folder.folds), fold)
    key = fold_result.key_of(params, planned)
    with locked(folder.lock(fold), lambda: say("waiting for another process that trains this fold")):
        if fold_result.holds(folder.fold(fold), key):
            return
        _train_and_record(project, params, planned, key, parent_id)
        shutil.rmtree(folder.checkpoint(fold), ignore_errors=True)


def _train_and_record(project: Project, params: Params, planned: Round, key: str, parent_id: str) -> None:
    say(
        f"fold {planned.fold}: trains on {len(planned.train)} images, validates on {len(planned.val)}, "
        f"holds out {len(planned.test)}"
    )
    from facesent.registry.nested import finish, recorded_child
    from facesent.registry.recorder import Recorder

    sizes = {f"images.{name}": len(frame) for name, frame in planned.frames().items()}
    with recorded_child(parent_id, f"fold {planned.fold}", {"fold": planned.fold, **sizes}, key) as run_id:
        observe = Recorder(run_id, say).log_epoch
        scored = score_round(
            project.data,
            planned,
            params,
            key,
            Folder.of(project).checkpoint(planned.fold),
            observe,
            spill=project.outputs,
        )
        fold_result.write(scored, Folder.of(project).fold(planned.fold))
        finish(run_id, scored.metrics)
    say(", ".join(f"{name} {value:.3f}" for name, value in scored.measures.items()))


def score_round(
    data: Path, planned: Round, params: Params, key: str, checkpoint: Path, observe: Observer, *, spill: Path
) -> FoldResult:
    """Train on ``planned.train``, keep what is best on ``planned.val``, score ``planned.test`` with it.

    Args:
        data: the folder that file names are relative to.
        planned: the three sets of images.
        params: sections ``model`` and ``train`` count.
        key: of the result.
        checkpoint: folder for the state of each finished epoch.
        observe: takes the index and the logs of each epoch.
        spill: folder on a disk for images that do not fit in memory.
    """
    from facesent.experiments.fold_result import measures_of, prediction_table
    from facesent.images.batches import read_examples, training_examples
    from facesent.model import backend
    from facesent.prediction.classifier import Classifier
    from facesent.training import loop
    from facesent.training.checkpoint import CheckpointFolder

    labels, size = sorted(planned.train["label"].unique()), params.model.image_size
    resolved = backend.resolve(params.train.precision)
    trained = loop.train(
        training_examples(data, planned.train, labels, size, spill=spill),
        read_examples(data, planned.val, labels, size, "val", spill=spill),
        len(labels),
        params.model,
        params.train,
        checkpoint=CheckpointFolder(checkpoint, say),
        # A checkpoint goes on in the numbers that it was computed in; a finished fold counts whatever they were.
        fingerprint=f"{key} {resolved}",
        report=say,
        observe=observe,
    )
    held_out = read_examples(data, planned.test, labels, size, "held out", spill=spill)
    probabilities = Classifier(trained.model, labels).probabilities(held_out.images)
    history = pd.DataFrame(trained.history, index=pd.RangeIndex(1, len(trained.history) + 1, name="epoch"))
    return FoldResult(
        fold=planned.fold,
        key=key,
        best_epoch=trained.best_epoch + 1,
        measures=measures_of(held_out.targets, probabilities, labels, params.evaluate),
        history=history,
        predictions=prediction_table(planned.test, planned.fold, probabilities, labels),
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m facesent.experiments.fold", description=train_fold.__doc__)
    parser.add_argument("--fold", type=int, required=True)
    parser.add_argument("--parent", required=True, help="MLflow's id of the cross-validation's run")
    arguments = parser.parse_args()
    end_with_stdin()
    prepare()
    run_stage(lambda: train_fold(Project(), arguments.fold, arguments.parent))
