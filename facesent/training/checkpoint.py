"""The whole state of a training after an epoch, written so that a kill never leaves a broken one."""

import json
import os
import shutil
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from facesent.images.threads import give_way
from facesent.model.backend import keras

History = list[dict[str, float]]
Arrays = list[NDArray[Any]]

_BROKEN = (FileNotFoundError, EOFError, KeyError, ValueError)


@dataclass(frozen=True)
class State:
    """What a training needs to go on as if it had never stopped.

    Attributes:
        fingerprint: of the settings, data and code that the training runs with.
        history: the logs of each finished epoch.
        finished: no further epoch is wanted.
        variables: weights, dropout's seeds and the optimizer's moments, in the order of ``variables_of``.
    """

    fingerprint: str
    history: History
    finished: bool
    variables: Arrays


class CheckpointFolder:
    """Two files: ``state`` of the last finished epoch, and ``best``, the weights of the best one.

    Each is a header and then arrays, one after the other in NumPy's format. Writing happens beside the training in
    one thread; ``close`` waits for it.

    Args:
        path: the folder.
        unsaved: told why a state could not be written (a full disk); the training goes on.
    """

    def __init__(self, path: Path, unsaved: Callable[[OSError], None]) -> None:
        self.path = path
        self._state = path / "state"
        self._best = path / "best"
        self._unsaved = unsaved
        self._writer = ThreadPoolExecutor(max_workers=1, initializer=give_way)
        self._pending: Future[None] | None = None

    def load(self, fingerprint: str) -> State | None:
        """Read the last state of the training with this fingerprint, if there is one."""
        if not self.holds(fingerprint):
            return None
        try:
            header, variables = _read(self._state)
        except _BROKEN:
            return None
        return State(fingerprint, header["history"], header["finished"], variables)

    def holds(self, fingerprint: str) -> bool:
        """Tell whether a training with this fingerprint can be resumed."""
        return bool(self.history(fingerprint))

    def history(self, fingerprint: str) -> History:
        """The logs of the finished epochs of the training with this fingerprint; none where it cannot be resumed."""
        try:
            with self._state.open("rb") as file:
                header = _read_header(file)
        except _BROKEN:
            return []
        known = header["fingerprint"] == fingerprint and self._best.is_file()
        return list(header["history"]) if known else []

    def best(self) -> Arrays:
        """Read the model's variables as they were after the best epoch."""
        return _read(self._best)[1]

    def save(self, state: State, best: Arrays | None) -> None:
        """Write in the background, once what was given before is written.

        Args:
            state: of the epoch just finished.
            best: the model's variables, if this epoch is the best so far.
        """
        self.close()
        self._pending = self._writer.submit(self._write, state, best)

    def close(self) -> None:
        """Wait until everything is on the disk."""
        if self._pending is None:
            return
        pending, self._pending = self._pending, None
        try:
            pending.result()
        except OSError as error:
            self._unsaved(error)

    def clear(self) -> None:
        """Remove what is there and make the folder ready for another training."""
        self.close()
        shutil.rmtree(self.path, ignore_errors=True)
        self.path.mkdir(parents=True)

    def _write(self, state: State, best: Arrays | None) -> None:
        # The best weights come first: a kill in between repeats the epoch, which writes the same ones again.
        if best is not None:
            _replace(self._best, {}, best)
        header = {"fingerprint": state.fingerprint, "history": state.history, "finished": state.finished}
        _replace(self._state, header, state.variables)


def _read(path: Path) -> tuple[dict[str, Any], Arrays]:
    with path.open("rb") as file:
        header = _read_header(file)
        return header, [np.load(file, allow_pickle=False) for _ in range(header["arrays"])]


def _read_header(file: BinaryIO) -> dict[str, Any]:
    header: dict[str, Any] = json.loads(str(np.load(file, allow_pickle=False)))
    return header


def _replace(path: Path, header: dict[str, Any], arrays: Arrays) -> None:
    draft = path.with_suffix(".draft")
    with draft.open("wb") as file:
        np.save(file, np.array(json.dumps({**header, "arrays": len(arrays)})), allow_pickle=False)
        for array in arrays:
            np.save(file, array, allow_pickle=False)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def variables_of(model: keras.Model) -> list[Any]:
    """All that a step changes: the model's variables and the optimizer's."""
    return [*model.variables, *model.optimizer.variables]


def snapshot(variables: list[Any]) -> Arrays:
    """Copy the values of Keras variables."""
    values = map(keras.ops.convert_to_numpy, variables)
    # Some backends give a view of what the next step changes, others a copy already.
    return [value if value.flags.owndata else value.copy() for value in values]


def restore(variables: list[Any], values: Arrays) -> None:
    """Set Keras variables to what ``snapshot`` gave."""
    for variable, value in zip(variables, values, strict=True):
        # A copy: TensorFlow may take the array's memory as it is, and change it with the next step.
        variable.assign(value.copy())
