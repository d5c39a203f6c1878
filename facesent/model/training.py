"""The one training loop: class-weighted, stopped early, resumable to the same weights."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from facesent.data.pipeline import Examples, TrainingBatches, TrainingExamples, class_weights
from facesent.errors import FacesentError
from facesent.model.architectures import build
from facesent.model.backend import keras
from facesent.model.checkpoint import CheckpointFolder, History, State, restore, snapshot, variables_of
from facesent.model.optimizer import FusedAdam
from facesent.model.precision import computing_in, resolve
from facesent.params import Model, Train

Report = Callable[[str], None]
Observer = Callable[[int, dict[str, float]], None]


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
    """Train from scratch, or from ``checkpoint`` where it holds a training with this ``fingerprint``.

    Args:
        examples: the training images.
        validation: images that decide about stopping, learning rate and the best epoch.
        classes: number of classes.
        model_settings: the network.
        settings: the optimisation.
        checkpoint: where the state of each finished epoch goes.
        fingerprint: equal for trainings that would give equal weights.
        report: takes one line an epoch.
        observe: takes the index and the logs of each epoch that is trained now.

    Raises:
        ImageError: naming the first training file that cannot be read.
        SpillError: the disk has no room for images that memory has no room for.
    """
    make_deterministic(settings.seed)
    model = compiled(model_settings, settings, classes)
    state = checkpoint.load(fingerprint) or _fresh_state(checkpoint, fingerprint)
    progress = _Progress(state, settings, checkpoint, report, observe)
    if not state.finished:
        _fit(model, examples, validation, classes, settings, progress)
    checkpoint.close()
    best = build(model_settings, classes)  # in float32, and without the optimizer's moments
    restore(best.variables, checkpoint.best())
    return Trained(best, progress.history, best_epoch(progress.history, settings.checkpoint.monitor))


def compiled(model_settings: Model, settings: Train, classes: int) -> keras.Model:
    """Build the network with Adam and cross-entropy, to compute in ``settings.precision``."""
    with computing_in(resolve(settings.precision)):
        model = build(model_settings, classes)
    model.compile(
        optimizer=FusedAdam(settings.optimizer.learning_rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    model.optimizer.build(model.trainable_variables)
    return model


def make_deterministic(seed: int) -> None:
    """Seed every generator and take deterministic kernels."""
    keras.utils.set_random_seed(seed)
    if keras.backend.backend() == "tensorflow":
        import tensorflow

        tensorflow.config.experimental.enable_op_determinism()


def best_epoch(history: History, monitor: str) -> int:
    """Index of the first epoch that reached the best ``monitor``."""
    sign = -1 if monitor.endswith("loss") else 1
    return max(range(len(history)), key=lambda epoch: sign * history[epoch][monitor])


def _fresh_state(checkpoint: CheckpointFolder, fingerprint: str) -> State:
    checkpoint.clear()
    return State(fingerprint, [], finished=False, variables=[])


def _fit(
    model: keras.Model,
    examples: TrainingExamples | Examples,
    validation: Examples,
    classes: int,
    settings: Train,
    progress: "_Progress",
) -> None:
    done = len(progress.history)
    balanced = settings.loss.class_weights == "balanced"
    batches = TrainingBatches(examples, settings.batch_size, settings.augment, settings.seed)
    failures: list[FacesentError] = []
    try:
        model.fit(
            batches.prefetched(first_epoch=done, failures=failures),
            steps_per_epoch=len(batches),
            validation_data=(validation.images, validation.targets),
            validation_batch_size=settings.batch_size,
            initial_epoch=done,
            epochs=settings.epochs,
            class_weight=class_weights(examples.targets, classes) if balanced else None,
            callbacks=[*progress.schedule, progress],
            shuffle=False,  # the batches are shuffled already
            verbose=0,
        )
    except Exception:
        if failures:
            raise failures[0] from None
        raise


class _Progress(keras.callbacks.Callback):  # type: ignore[misc]
    """Resumes at the last finished epoch, then reports and saves each further one.

    Early stopping and plateau are functions of the history alone: a resumed training replays the history
    through them instead of storing what they keep inside.
    """

    def __init__(
        self, state: State, settings: Train, checkpoint: CheckpointFolder, report: Report, observe: Observer
    ) -> None:
        super().__init__()
        self.history: History = list(state.history)
        self._resumed = state
        self._settings = settings
        self._checkpoint = checkpoint
        self._report = report
        self._observe = observe
        self.schedule = [_early_stopping(settings), _plateau(settings)]
        self._started = 0.0

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Put schedule and weights where the last finished epoch left them."""
        if not self._resumed.variables:
            return
        for epoch, row in enumerate(self.history):
            for callback in self.schedule:
                callback.on_epoch_end(epoch, dict(row))
        restore(variables_of(self.model), self._resumed.variables)
        self._report(f"resuming after epoch {len(self.history)} of {self._settings.epochs}")

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Note the time."""
        self._started = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Add the epoch to the history, report it and save the state."""
        row = {name: float(value) for name, value in (logs or {}).items()}
        self.history.append(row)
        best = best_epoch(self.history, self._settings.checkpoint.monitor) == epoch
        self._report(self._line(epoch, row, best))
        self._observe(epoch, row)
        finished = self.model.stop_training or epoch + 1 == self._settings.epochs
        variables = snapshot(variables_of(self.model))
        state = State(self._resumed.fingerprint, list(self.history), finished, variables)
        self._checkpoint.save(state, variables[: len(self.model.variables)] if best else None)

    def _line(self, epoch: int, row: dict[str, float], best: bool) -> str:
        seconds = time.perf_counter() - self._started
        return (
            f"epoch {epoch + 1:>3}/{self._settings.epochs}"
            f"  loss {row['loss']:.3f}  accuracy {row['accuracy']:.3f}"
            f"  val_loss {row['val_loss']:.3f}  val_accuracy {row['val_accuracy']:.3f}"
            f"  learning_rate {row['learning_rate']:.1e}  {seconds:.1f} s{'  best' if best else ''}"
        )


def _early_stopping(settings: Train) -> keras.callbacks.Callback:
    stopping = settings.early_stopping
    return keras.callbacks.EarlyStopping(
        monitor=stopping.monitor, mode=_mode(stopping.monitor), patience=stopping.patience
    )


def _plateau(settings: Train) -> keras.callbacks.Callback:
    plateau = settings.plateau
    return keras.callbacks.ReduceLROnPlateau(
        monitor=plateau.monitor,
        mode=_mode(plateau.monitor),
        factor=plateau.factor,
        patience=plateau.patience,
        min_lr=plateau.min_learning_rate,
    )


def _mode(monitor: str) -> str:
    return "min" if monitor.endswith("loss") else "max"
