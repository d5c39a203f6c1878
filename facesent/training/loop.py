"""The one training loop: class-weighted, in phases, stopped early, resumable to the same weights."""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from facesent.core.errors import FacesentError
from facesent.core.watching import NOBODY, Start, Watcher
from facesent.images.augmentation.mixing import SoftTargets
from facesent.images.batches import (
    Examples,
    RowsOfBatch,
    TrainingBatches,
    TrainingExamples,
    class_weights,
    equal_weights,
    one_hot,
    read_examples,
    training_examples,
)
from facesent.images.rows import labels_of
from facesent.model import calibration
from facesent.model.architectures.build import build
from facesent.model.backend import keras, make_deterministic, resolve
from facesent.model.inference import compile_forward, in_batches
from facesent.model.settings import Model
from facesent.model.weights import load_pretrained, weights_sha256
from facesent.training import distribution
from facesent.training.checkpoint import CheckpointFolder, History, State
from facesent.training.compiling import Phase, compile_for, network, phases
from facesent.training.fingerprint import fingerprint
from facesent.training.logistic_head import solve_head
from facesent.training.memory import require_memory
from facesent.training.progress import Epochs, best_epoch
from facesent.training.settings import Train
from facesent.training.soft_targets import mixed_targets
from facesent.training.variables import Arrays, restore, size_of, variables_of


@dataclass(frozen=True)
class Trained:
    """A finished training.

    Attributes:
        model: the network with the weights of the best epoch, as it answers.
        history: the logs of every epoch.
        best_epoch: index of the epoch whose weights were kept, from 0.
    """

    model: keras.Model
    history: History
    best_epoch: int


def fit(
    data: Path,
    frames: Mapping[str, pd.DataFrame],
    model_settings: Model,
    settings: Train,
    *,
    checkpoint: Path,
    watch: Watcher = NOBODY,
    spill: Path | None = None,
) -> Trained:
    """Train on the images of ``train``, keep the epoch that is best on those of ``val``; go on where a kill left it.

    Args:
        data: the folder that file names are relative to.
        frames: the images of ``train`` and ``val``, as ``read_split`` gives them.
        model_settings: the network.
        settings: the optimisation.
        checkpoint: folder for the state of finished epochs; the caller removes it when the result is safe.
        watch: hears of everything and changes nothing.
        spill: folder on a disk for images that do not fit in memory; by default the system's for temporary files.

    Raises:
        ImageError: naming the first file that cannot be read, or is not the one that was validated, also in the end.
        SpillError: the disk has no room for images that memory has no room for.
        DistributionError: what ``settings.distribute`` asks for cannot be had here.
        WeightsError: the weights to start from cannot be had.
        SoftTargetsError: the soft targets are not those of these images.
        DivergedError, CheckpointError: as ``train`` says.
    """
    labels, size = labels_of(frames["train"]), model_settings.image_size
    soft = mixed_targets(settings.distillation, frames["train"], labels)
    examples = training_examples(data, frames["train"], labels, size, spill=spill)
    validation = read_examples(data, frames["val"], labels, size, "val", spill=spill)
    precision, weights = resolve(settings.precision), weights_sha256(model_settings)
    seen = {name: frames[name] for name in ("train", "val")}
    known = fingerprint([model_settings, settings], seen, precision, weights or "")
    folder = (CheckpointFolder if distribution.is_chief(settings.distribute) else distribution.Follower)(
        checkpoint, watch.unsaved
    )
    watch.started(Start(known, precision, weights, settings.epochs, tuple(folder.history(known)), seen))
    trained = train(
        examples, validation, len(labels), model_settings, settings, checkpoint=folder, fingerprint=known, soft=soft,
        watch=watch,
    )  # fmt: skip
    for file in (*examples.files, *validation.files):
        file.require_unchanged()
    return trained


def train(
    examples: TrainingExamples | Examples,
    validation: Examples,
    classes: int,
    model_settings: Model,
    settings: Train,
    *,
    checkpoint: CheckpointFolder,
    fingerprint: str,
    soft: SoftTargets | None = None,
    watch: Watcher = NOBODY,
) -> Trained:
    """``fit`` with images at hand: train, or go on where ``checkpoint`` holds a training with this ``fingerprint``.

    Args:
        examples: the training images.
        validation: images that decide about stopping, learning rate, the best epoch and the temperature.
        classes: number of classes.
        model_settings: the network.
        settings: the optimisation.
        checkpoint: where the states of finished epochs go; it is closed in the end, come what may.
        fingerprint: equal for trainings that would give equal weights.
        soft: ``(images, classes)``, what is learned of each image; by default its class.
        watch: hears of batches and epochs.

    Raises:
        DivergedError: a loss is no number any more.
        CheckpointError: the weights of the best epoch are not there at the end.
        FilesError: the disk has no room for the states.
        MemoryNeededError: memory has no room for a batch.
    """
    strategy = distribution.strategy(settings.distribute)
    make_deterministic(settings.seed)
    state = checkpoint.load(fingerprint) or _fresh_state(checkpoint, fingerprint)
    batches = _batches(examples, classes, settings, distribution.share_of_process(strategy), soft)
    with closing(checkpoint), distribution.scope(strategy):
        distribution.agree_on_start(strategy, len(state.history))
        epochs = Epochs(state, settings, checkpoint, watch)
        model = distribution.replicated(network(model_settings, settings, classes), strategy)
        if not state.variables:
            load_pretrained(model, model_settings)
        for phase in phases(settings):
            if len(epochs.history) < phase.end and not epochs.finished:
                compile_for(phase, model, model_settings, settings, len(batches))
                _require_resources(model, checkpoint, settings, len(examples.targets))
                if phase.head_only and settings.head.solver == "logistic":
                    solve_head(model, batches, settings.head.shrinkage)
                _fit(phase, model, batches, validation, epochs)
    best = best_epoch(epochs.history, settings.checkpoint.monitor)
    kept = _finish(checkpoint.best(fingerprint, best), validation, classes, model_settings, settings)
    watch.kept(best, epochs.history[best])
    return Trained(kept, epochs.history, best)


def _fresh_state(checkpoint: CheckpointFolder, fingerprint: str) -> State:
    checkpoint.clear()
    return State(fingerprint, [], finished=False, variables=[])


def _require_resources(model: keras.Model, checkpoint: CheckpointFolder, settings: Train, images: int) -> None:
    """Refuse before the first step what would fail at a later one: no room for states, or no memory for a batch."""
    checkpoint.require_room(size_of(variables_of(model)), size_of(model.variables))
    if settings.distribute == "none":
        require_memory(model, min(settings.batch_size, images))


def _batches(
    examples: TrainingExamples | Examples,
    classes: int,
    settings: Train,
    share: RowsOfBatch,
    soft: SoftTargets | None,
) -> TrainingBatches:
    balanced = settings.loss.class_weights == "balanced"
    weights = class_weights(examples.targets, classes) if balanced else equal_weights(classes)
    return TrainingBatches(examples, settings.batch_size, settings.augment, settings.seed, weights, share, soft)


def _fit(phase: Phase, model: keras.Model, batches: TrainingBatches, validation: Examples, epochs: Epochs) -> None:
    done = len(epochs.history)
    failures: list[FacesentError] = []
    try:
        model.fit(
            batches.prefetched(first_epoch=done, failures=failures),
            steps_per_epoch=len(batches),
            validation_data=(validation.images, one_hot(validation.targets, len(batches.class_weights))),
            validation_batch_size=batches.batch_size,
            initial_epoch=done,
            epochs=phase.end,
            callbacks=epochs.callbacks(phase),
            shuffle=False,  # the batches are shuffled already
            verbose=0,
        )
    except Exception:
        if failures:
            raise failures[0] from None
        raise


def _finish(best: Arrays, validation: Examples, classes: int, model_settings: Model, settings: Train) -> keras.Model:
    """The best epoch's network as it answers: in float32, without the optimizer, averaged over sides, calibrated."""
    model = build(model_settings, classes, flip_average=model_settings.flip_average)
    restore(model.variables, best)
    if settings.calibrate:
        probabilities = in_batches(compile_forward(model), validation.images, batch_size=64)
        temperature = calibration.fit_temperature(np.concatenate(probabilities), validation.targets)
        calibration.set_temperature(model, temperature)
    return model
