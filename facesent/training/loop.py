"""The one training loop: class-weighted, in phases, stopped early, resumable to the same weights."""

from dataclasses import dataclass

import numpy as np

from facesent.core.console import bar_of
from facesent.core.errors import FacesentError
from facesent.images.batches import (
    Examples,
    Share,
    TrainingBatches,
    TrainingExamples,
    class_weights,
    equal_weights,
    one_hot,
)
from facesent.model import calibration
from facesent.model.architectures.build import build
from facesent.model.backend import keras, make_deterministic
from facesent.model.inference import compile_forward, in_batches
from facesent.model.settings import Model
from facesent.model.weights import load_pretrained
from facesent.training import distribution
from facesent.training.checkpoint import Arrays, CheckpointFolder, History, State, restore
from facesent.training.compiling import Phase, compile_for, network, phases
from facesent.training.progress import Observer, Progress, Report, best_epoch
from facesent.training.settings import Train


@dataclass(frozen=True)
class Trained:
    """The weights of the best epoch, and the logs of every epoch."""

    model: keras.Model
    history: History
    best_epoch: int


def train(
    examples: TrainingExamples | Examples,
    validation: Examples,
    classes: int,
    model_settings: Model,
    settings: Train,
    *,
    checkpoint: CheckpointFolder,
    fingerprint: str,
    report: Report,
    observe: Observer = lambda epoch, row: None,
) -> Trained:
    """Train, or go on from ``checkpoint`` where it holds a training with this ``fingerprint``.

    Args:
        examples: the training images.
        validation: images that decide about stopping, learning rate, the best epoch and the temperature.
        classes: number of classes.
        model_settings: the network.
        settings: the optimisation.
        checkpoint: where the state of each finished epoch goes.
        fingerprint: equal for trainings that would give equal weights.
        report: takes one line an epoch.
        observe: takes the index and the logs of each epoch that is trained now; what it raises ends the training.

    Raises:
        ImageError: naming the first training file that cannot be read.
        SpillError: the disk has no room for images that memory has no room for.
        DistributionError: what ``settings.distribute`` asks for cannot be had here.
        WeightsError: the weights to start from cannot be had.
    """
    strategy = distribution.strategy(settings.distribute)
    make_deterministic(settings.seed)
    state = checkpoint.load(fingerprint) or _fresh_state(checkpoint, fingerprint)
    distribution.agree_on_start(strategy, len(state.history))
    batches = _batches(examples, classes, settings, distribution.share_of_process(strategy))
    with distribution.scope(strategy), bar_of("training") as advance:
        progress = Progress(state, settings, checkpoint, report, observe, advance)
        model = distribution.replicated(network(model_settings, settings, classes), strategy)
        if not state.variables:
            load_pretrained(model, model_settings)
        for phase in phases(settings):
            if len(progress.history) < phase.end and not progress.finished:
                compile_for(phase, model, model_settings, settings, len(batches))
                _fit(phase, model, batches, validation, progress)
    checkpoint.close()
    kept = _finish(checkpoint.best(), validation, classes, model_settings, settings)
    return Trained(kept, progress.history, best_epoch(progress.history, settings.checkpoint.monitor))


def _fresh_state(checkpoint: CheckpointFolder, fingerprint: str) -> State:
    checkpoint.clear()
    return State(fingerprint, [], finished=False, variables=[])


def _batches(examples: TrainingExamples | Examples, classes: int, settings: Train, share: Share) -> TrainingBatches:
    balanced = settings.loss.class_weights == "balanced"
    weights = class_weights(examples.targets, classes) if balanced else equal_weights(classes)
    return TrainingBatches(examples, settings.batch_size, settings.augment, settings.seed, weights, share)


def _fit(phase: Phase, model: keras.Model, batches: TrainingBatches, validation: Examples, progress: Progress) -> None:
    done = len(progress.history)
    failures: list[FacesentError] = []
    try:
        model.fit(
            batches.prefetched(first_epoch=done, failures=failures),
            steps_per_epoch=len(batches),
            validation_data=(validation.images, one_hot(validation.targets, len(batches.class_weights))),
            validation_batch_size=batches.batch_size,
            initial_epoch=done,
            epochs=phase.end,
            callbacks=progress.callbacks(phase),
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
