"""One fold in a process of its own: trained, scored on the images that it held out, recorded as a child run.

``python -m facesent.experiments.fold --folder FOLDER --fold 2 --parent RUN`` is what the flow starts. Keras keeps its
seeds and its precision for a whole process: two trainings in threads of one would change each other's weights.
"""

import argparse
import shutil
from pathlib import Path

import pandas as pd

from facesent.core.console import run_main, say
from facesent.core.files import images_in_use, locked_in_turn
from facesent.core.lifeline import end_with_stdin
from facesent.core.paths import Project
from facesent.core.watching import Epoch, Terminal, Watcher, watched
from facesent.experiments import fold_result
from facesent.experiments.fold_result import FoldResult
from facesent.experiments.folds import Folder, Round, read_folds, round_of, settings_of_folds
from facesent.images.rows import labels_of
from facesent.params import Params
from facesent.registry.client import prepare


def train_fold(project: Project, folder: Folder, fold: int, parent_id: str) -> None:
    """Train and score one fold of ``folds.csv``, unless its result is there; go on where a kill left its training.

    Args:
        project: whose images and settings are used.
        folder: of the cross-validation.
        fold: its number, from 1.
        parent_id: MLflow's id of the cross-validation's run.
    """
    params = settings_of_folds(project)
    planned = round_of(read_folds(folder.folds), fold)
    known = fold_result.fingerprint_of(params, planned)
    with locked_in_turn(folder.lock(fold), lambda: say("waiting for another process that is training this fold")):
        if fold_result.holds(folder.fold(fold), known):
            return
        with images_in_use(project.data):
            _train_and_record(project, folder, params, planned, known, parent_id)
        shutil.rmtree(folder.checkpoint(fold), ignore_errors=True)


def _train_and_record(
    project: Project, folder: Folder, params: Params, planned: Round, known: str, parent_id: str
) -> None:
    say(
        f"fold {planned.fold}: trains on {len(planned.train)} images, validates on {len(planned.val)}, "
        f"holds out {len(planned.test)}"
    )
    from facesent.registry import runs

    settings = {"fold": planned.fold, **{f"images.{name}": len(frame) for name, frame in planned.frames().items()}}
    run_id = runs.begin(f"fold {planned.fold}", settings, fingerprint=known, parent=parent_id)
    with runs.recorded(run_id), watched(Terminal(), _Epochs(run_id)) as watch:
        checkpoint = folder.checkpoint(planned.fold)
        scored = score_round(project.data, planned, params, known, checkpoint, watch, spill=project.outputs)
        fold_result.write(scored, folder.fold(planned.fold))
        # What MLflow did not take while it trained.
        runs.log_history(run_id, runs.rows_of(scored.history))
        runs.finish(run_id, scored.metrics)
    say(", ".join(f"{name} {value:.3f}" for name, value in scored.measures.items()))


class _Epochs(Watcher):
    """Logs each epoch to the fold's run."""

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id

    def epoch(self, epoch: Epoch) -> None:
        from facesent.registry import runs

        runs.log_epoch(self._run_id, epoch.index, epoch.row)


def score_round(
    data: Path, planned: Round, params: Params, known: str, checkpoint: Path, watch: Watcher, *, spill: Path
) -> FoldResult:
    """Train on ``planned.train``, keep what is best on ``planned.val``, score ``planned.test`` with it.

    Args:
        data: the folder that file names are relative to.
        planned: the three sets of images.
        params: sections ``model`` and ``train`` count.
        known: fingerprint of the result.
        checkpoint: folder for the state of each finished epoch.
        watch: hears of each epoch.
        spill: folder on a disk for images that do not fit in memory.
    """
    from facesent.experiments.fold_result import measures_of, prediction_table
    from facesent.images.batches import read_examples
    from facesent.prediction.classifier import Classifier
    from facesent.training.loop import fit

    # A checkpoint goes on in the numbers that it was computed in; a finished fold counts whatever they were.
    trained = fit(data, planned.frames(), params.model, params.train, checkpoint=checkpoint, watch=watch, spill=spill)
    labels, size = labels_of(planned.train), params.model.image_size
    held_out = read_examples(data, planned.test, labels, size, "held out", spill=spill)
    probabilities = Classifier(trained.model, labels).probabilities(held_out.images)
    history = pd.DataFrame(trained.history, index=pd.RangeIndex(1, len(trained.history) + 1, name="epoch"))
    return FoldResult(
        fold=planned.fold,
        fingerprint=known,
        best_epoch=trained.best_epoch + 1,
        measures=measures_of(held_out.targets, probabilities, list(planned.test["group"]), labels, params.evaluate),
        history=history,
        predictions=prediction_table(planned.test, planned.fold, probabilities, labels),
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m facesent.experiments.fold", description=train_fold.__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="of the cross-validation")
    parser.add_argument("--fold", type=int, required=True)
    parser.add_argument("--parent", required=True, help="MLflow's id of the cross-validation's run")
    arguments = parser.parse_args()
    end_with_stdin()
    prepare()
    run_main(lambda: train_fold(Project(), Folder(arguments.folder), arguments.fold, arguments.parent))
