"""What happens between the epochs: resuming, telling, saving, stopping."""

import math
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from facesent.core.errors import FacesentError
from facesent.core.watching import Epoch, Watcher
from facesent.model.backend import keras, reseed
from facesent.training.checkpoint import CheckpointFolder, History, State
from facesent.training.compiling import Phase
from facesent.training.settings import Train
from facesent.training.variables import Arrays, restore, snapshot, variables_of


class DivergedError(FacesentError):
    """The numbers of a training left what floating point holds; what is learnt from there on is nothing."""


def best_epoch(history: History, monitor: str) -> int:
    """Index of the first epoch that reached the best ``monitor``."""
    sign = -1 if monitor.endswith("loss") else 1
    return max(range(len(history)), key=lambda epoch: sign * history[epoch][monitor])


class Epochs(keras.callbacks.Callback):  # type: ignore[misc]
    """Resumes a phase at the last finished epoch, then tells of each further one and saves it.

    Early stopping and plateau are functions of the phase's history alone: a resumed training replays the history
    through them instead of storing what they keep inside.

    Args:
        state: of the training so far.
        settings: of the training.
        checkpoint: takes the state of each epoch.
        watch: hears of batches and epochs.
    """

    def __init__(self, state: State, settings: Train, checkpoint: CheckpointFolder, watch: Watcher) -> None:
        super().__init__()
        self.history: History = list(state.history)
        self.finished = state.finished
        self._resumed: State | None = state if state.variables else None
        self._fingerprint = state.fingerprint
        self._settings = settings
        self._checkpoint = checkpoint
        self._watch = watch
        self._started = 0.0
        self._epoch = 0
        self._schedule: list[keras.callbacks.Callback] = []

    def callbacks(self, phase: Phase) -> list[keras.callbacks.Callback]:
        """For ``fit``: the phase's schedule, and this."""
        self._phase = phase
        self._schedule = [] if phase.head_only else _schedule(self._settings)
        averaged = self._settings.optimizer.average and not phase.head_only
        return [*self._schedule, *([keras.callbacks.SwapEMAWeights()] if averaged else []), self]

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Put schedule and weights where the last finished epoch left them."""
        if self._resumed is None:
            return
        within = self.history[self._phase.first :]
        for epoch, row in enumerate(within, start=self._phase.first):
            for callback in self._schedule:
                callback.on_epoch_end(epoch, dict(row))
        if within:
            restore(variables_of(self.model), self._resumed.variables)
        else:
            # The optimizer's are of the phase before.
            restore(self.model.variables, self._resumed.variables[: len(self.model.variables)])
        self._resumed = None

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Note the time."""
        self._epoch = epoch
        self._started = time.perf_counter()

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Seed the epoch; not earlier, because PyTorch's loader draws when it starts, which is once a resumption."""
        if batch == 0:
            reseed(self._settings.seed + self._epoch)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Stop where the loss, the mean of the epoch so far, is no number; else show how far the training is."""
        self._require_finite(logs or {}, f"step {batch + 1} of {self.params['steps']} of ")
        steps = self.params["steps"]
        self._watch.advanced(self._epoch * steps + batch + 1, self._settings.epochs * steps)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Add the epoch to the history, tell of it and save the state."""
        row = {name: float(value) for name, value in (logs or {}).items()}
        row.setdefault("learning_rate", float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)))
        variables = snapshot(variables_of(self.model), self._checkpoint.spare())
        self._require_finite({**row, "weight": _worst(variables)})
        self.history.append(row)
        best = best_epoch(self.history, self._settings.checkpoint.monitor) == epoch
        self._watch.epoch(Epoch(epoch, dict(row), best, time.perf_counter() - self._started))
        self.finished = self.model.stop_training or epoch + 1 == self._settings.epochs
        state = State(self._fingerprint, list(self.history), self.finished, variables)
        self._checkpoint.save(state, self._validated(variables) if best else None)

    def _require_finite(self, numbers: Mapping[str, float], where: str = "") -> None:
        """Raise before the epoch is told or saved, so that what was good is what is left.

        Raises:
            DivergedError: naming the first that is not finite.
        """
        for name, value in numbers.items():
            if not math.isfinite(value):
                section = "head" if self._phase.head_only else "optimizer"
                rate = getattr(self._settings, section).learning_rate
                raise DivergedError(
                    f"Expected a finite {name}. Received: {value} in {where}epoch {self._epoch + 1}. "
                    f"Lower train.{section}.learning_rate (now {rate:g}){self._further_advice()}."
                    + (
                        f" {self._checkpoint.path} keeps the state after epoch {len(self.history)}."
                        * bool(self.history)
                    )
                )

    def _further_advice(self) -> str:
        clipped = self._phase.head_only or self._settings.optimizer.clip_norm
        exact = self._settings.precision == "float32"
        return ("" if clipped else ", set train.optimizer.clip_norm") + (
            "" if exact else f", or set train.precision: float32 (now {self._settings.precision})"
        )

    def _validated(self, variables: Arrays) -> Arrays:
        """The model's variables as they were validated: averaged, where an average is kept."""
        mine = variables[: len(self.model.variables)]
        if not self.model.optimizer.use_ema:
            return mine
        self.model.optimizer.finalize_variable_values(self.model.trainable_variables)
        averaged = snapshot(self.model.variables)
        restore(self.model.variables, mine)
        return averaged


def _worst(variables: Arrays) -> float:
    return 0.0 if all(np.isfinite(value).all() for value in variables) else math.nan


def _schedule(settings: Train) -> list[keras.callbacks.Callback]:
    stopping = settings.early_stopping
    early = keras.callbacks.EarlyStopping(
        monitor=stopping.monitor, mode=_mode(stopping.monitor), patience=stopping.patience
    )
    return [early, _plateau(settings)] if settings.schedule.name == "plateau" else [early]


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
