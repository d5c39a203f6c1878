"""The whole state of a training after an epoch, written so that a kill never leaves a broken one."""

import hashlib
import json
import math
import os
import shutil
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from facesent.core.errors import FacesentError
from facesent.core.files import require_room
from facesent.images.threads import give_way
from facesent.model.backend import keras

History = list[dict[str, float]]
Arrays = list[NDArray[Any]]

LARGE = 64 << 20

_BROKEN = (FileNotFoundError, EOFError, KeyError, ValueError)


class CheckpointError(FacesentError):
    """The folder does not hold the weights that a training has to end with."""


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
    """Two files: ``state`` of a finished epoch, the last or a recent one, and ``best``, the weights of the best one.

    Each is a header, with the hash of what follows, and then arrays, one after the other in NumPy's format. Writing
    happens beside the training in one thread, and takes some of its time: a large state waits until the last one was
    written a while ago. ``close`` writes what waits.

    Best weights that could not be written are kept in memory and tried again with the next state: no state is written
    before those that its history tells of.

    Args:
        path: the folder.
        unsaved: told why a state could not be written (a full disk); the training goes on.
        pause: seconds from one state of over ``LARGE`` bytes to the next.
    """

    def __init__(self, path: Path, unsaved: Callable[[OSError], None], *, pause: float = 60) -> None:
        self.path = path
        self._state = path / "state"
        self._best = path / "best"
        self._unsaved = unsaved
        self._writer = ThreadPoolExecutor(max_workers=1, initializer=give_way)
        self._pending: Future[None] | None = None
        self._best_epoch = 0
        self._unwritten: Arrays | None = None
        self._waiting: State | None = None
        self._pause = pause
        self._started = -math.inf
        # Memory of earlier states and best weights: to get fresh memory takes far longer than to write to it.
        self._spare: Arrays | None = None
        self._best_spare: Arrays | None = None

    def load(self, fingerprint: str) -> State | None:
        """Read the last state of the training with this fingerprint, if it and the best weights are whole."""
        if not self.holds(fingerprint):
            return None
        try:
            header, variables = _read(self._state)
            _read(self._best)
        except _BROKEN:
            return None
        self._best_epoch = header["best_epoch"]
        return State(fingerprint, header["history"], header["finished"], variables)

    def holds(self, fingerprint: str) -> bool:
        """Tell whether a training with this fingerprint can be resumed."""
        return bool(self.history(fingerprint))

    def history(self, fingerprint: str) -> History:
        """The logs of the finished epochs of the training with this fingerprint; none where it cannot be resumed."""
        try:
            state, best = _read_header(self._state), _read_header(self._best)
            history: History = state["history"]
            # A kill between the two writes leaves the weights of one of the epochs that are now repeated.
            fitting = best["epoch"] == state["best_epoch"] or best["epoch"] >= len(history)
            return history if fitting and fingerprint == state["fingerprint"] == best["fingerprint"] else []
        except _BROKEN:
            return []

    def best(self, fingerprint: str, epoch: int) -> Arrays:
        """The model's variables as they were after the best epoch, ``epoch``, from 0.

        Raises:
            CheckpointError: they are not there.
        """
        if self._unwritten is not None and self._best_epoch == epoch:
            return self._unwritten
        try:
            header, variables = _read(self._best)
            if (header["fingerprint"], header["epoch"]) != (fingerprint, epoch):
                raise ValueError(f"those of epoch {header['epoch'] + 1} of the training {header['fingerprint']:.8}")
        except _BROKEN as error:
            raise CheckpointError(
                f"Expected the weights of epoch {epoch + 1} of the training {fingerprint:.8} in {self._best}. "
                f"Received: {error}. Run it again: damaged states are trained again."
            ) from None
        return variables

    def save(self, state: State, best: Arrays | None) -> None:
        """Write in the background, now or with a later state.

        Args:
            state: of the epoch just finished; ``spare`` gives its arrays back.
            best: the model's variables, if this epoch is the best so far; the state's own, perhaps.
        """
        self._wait()
        if self._waiting is not None:
            self._spare = self._waiting.variables
        self._waiting = state
        if best is not None:
            self._best_epoch, self._unwritten = len(state.history) - 1, best
        size = sum(array.nbytes for array in state.variables)
        if state.finished or size <= LARGE or time.monotonic() - self._started >= self._pause:
            self._start(state)
        elif best is not None:
            # The state's memory is given away before they are written.
            self._unwritten = self._best_spare = _copied(best, self._best_spare)

    def spare(self) -> Arrays | None:
        """The arrays of an earlier state that nobody needs any more, to be given away once."""
        spare, self._spare = self._spare, None
        return spare

    def close(self) -> None:
        """Wait until everything is on the disk."""
        self._wait()
        if self._waiting is not None:
            self._start(self._waiting)
            self._wait()

    def _start(self, state: State) -> None:
        self._started = time.monotonic()
        self._pending, self._waiting = self._writer.submit(self._write, state), None

    def _wait(self) -> None:
        if self._pending is None:
            return
        pending, self._pending = self._pending, None
        try:
            pending.result()
        except OSError as error:
            self._unsaved(error)

    def require_room(self, state: int, best: int) -> None:
        """See to it that the disk takes what a training writes: both files, the draft of one, and the model.

        Args:
            state: bytes of a state.
            best: bytes of the model's variables.

        Raises:
            FilesError: it does not.
        """
        written = sum(path.stat().st_size for path in (self._state, self._best) if path.is_file())
        require_room(self.path, 2 * state + 2 * best - written, "the states and the model of this training")

    def clear(self) -> None:
        """Remove what is there and make the folder ready for another training."""
        self.close()
        shutil.rmtree(self.path, ignore_errors=True)
        self.path.mkdir(parents=True, exist_ok=True)  # it may be a link to a folder on another disk

    def _write(self, state: State) -> None:
        # The best weights come first: a kill in between repeats the epoch, which writes the same ones again.
        if self._unwritten is not None:
            _replace(self._best, {"fingerprint": state.fingerprint, "epoch": self._best_epoch}, self._unwritten)
            self._unwritten = None
        header = {"fingerprint": state.fingerprint, "history": state.history, "finished": state.finished}
        _replace(self._state, {**header, "best_epoch": self._best_epoch}, state.variables)
        self._spare = state.variables


def _read(path: Path) -> tuple[dict[str, Any], Arrays]:
    with path.open("rb") as file:
        header = _header(file)
        arrays = [np.load(file, allow_pickle=False) for _ in range(header["arrays"])]
    if _sha256(arrays) != header["sha256"]:
        raise ValueError("bytes that differ from those written")
    return header, arrays


def _read_header(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return _header(file)


def _header(file: BinaryIO) -> dict[str, Any]:
    header: dict[str, Any] = json.loads(str(np.load(file, allow_pickle=False)))
    return header


def _replace(path: Path, header: dict[str, Any], arrays: Arrays) -> None:
    draft = path.with_suffix(".draft")
    whole = {**header, "arrays": len(arrays), "sha256": _sha256(arrays)}
    with draft.open("wb") as file:
        np.save(file, np.array(json.dumps(whole)), allow_pickle=False)
        for array in arrays:
            np.save(file, array, allow_pickle=False)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _sha256(arrays: Arrays) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).reshape(-1).data)
    return digest.hexdigest()


def variables_of(model: keras.Model) -> list[Any]:
    """All that a step changes: the model's variables and the optimizer's."""
    return [*model.variables, *model.optimizer.variables]


def size_of(variables: list[Any]) -> int:
    """Bytes of the values of Keras variables."""
    return sum(np.prod(variable.shape, dtype=int) * np.dtype(variable.dtype).itemsize for variable in variables)


def snapshot(variables: list[Any], spare: Arrays | None = None) -> Arrays:
    """Copy the values of Keras variables.

    Args:
        variables: of the model and perhaps of its optimizer.
        spare: an earlier copy that nobody needs, whose memory is taken if it fits.
    """
    return _copied([_values(variable) for variable in variables], spare)


def _copied(values: Arrays, spare: Arrays | None) -> Arrays:
    if spare is None or [array.shape for array in spare] != [value.shape for value in values]:
        return [np.array(value) for value in values]
    for array, value in zip(spare, values, strict=True):
        np.copyto(array, value, casting="no")
    return spare


def _values(variable: Any) -> NDArray[Any]:
    """Perhaps the backend's own memory, which the next step changes."""
    if keras.backend.backend() == "tensorflow":
        # Its own way to NumPy is a copy in fresh memory.
        return np.asarray(memoryview(variable.value.value()))
    return np.asarray(keras.ops.convert_to_numpy(variable))


def restore(variables: list[Any], values: Arrays) -> None:
    """Set Keras variables to what ``snapshot`` gave."""
    for variable, value in zip(variables, values, strict=True):
        # A copy: TensorFlow may take the array's memory as it is, and change it with the next step.
        variable.assign(value.copy())
