"""The whole state of a training after an epoch, written so that a kill never leaves a broken one."""

import math
import shutil
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from facesent.core.errors import FacesentError
from facesent.core.files import require_room
from facesent.images.threads import give_way
from facesent.training.array_file import BROKEN, read_arrays, read_header, write_arrays
from facesent.training.variables import Arrays, copied

History = list[dict[str, float]]

LARGE = 64 << 20


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

    Writing happens beside the training in one thread, and takes some of its time: a large state waits until the last
    one was written a while ago. ``close`` writes what waits.

    Best weights that could not be written are kept in memory and tried again with the next state: no state is written
    before those that its history tells of.

    Args:
        path: the folder.
        unsaved: told why a state could not be written (a full disk); the training goes on.
        pause: seconds from one state of over ``LARGE`` bytes to the next.
    """

    def __init__(self, path: Path, unsaved: Callable[[OSError], None], *, pause: float = 60) -> None:
        self.path = path
        self._state_file, self._best_file = path / "state", path / "best"
        self._unsaved, self._pause = unsaved, pause
        self._writer = ThreadPoolExecutor(max_workers=1, initializer=give_way)
        self._writing: Future[None] | None = None
        self._last_begun = -math.inf
        # What is to be written next, and the memory of what was.
        self._state: State | None = None
        self._best: Arrays | None = None
        self._best_epoch = 0
        self._spare_state: Arrays | None = None
        self._spare_best: Arrays | None = None

    def load(self, fingerprint: str) -> State | None:
        """Read the last state of the training with this fingerprint, if it and the best weights are whole."""
        if not self.history(fingerprint):
            return None
        try:
            header, variables = read_arrays(self._state_file)
            read_arrays(self._best_file)
        except BROKEN:
            return None
        self._best_epoch = header["best_epoch"]
        return State(fingerprint, header["history"], header["finished"], variables)

    def history(self, fingerprint: str) -> History:
        """The logs of the finished epochs of the training with this fingerprint; none where it cannot be resumed."""
        try:
            state, best = read_header(self._state_file), read_header(self._best_file)
            history: History = state["history"]
            # A kill between the two writes leaves the weights of one of the epochs that are now repeated.
            fitting = best["epoch"] == state["best_epoch"] or best["epoch"] >= len(history)
            return history if fitting and fingerprint == state["fingerprint"] == best["fingerprint"] else []
        except BROKEN:
            return []

    def best(self, fingerprint: str, epoch: int) -> Arrays:
        """The model's variables as they were after the best epoch, ``epoch``, from 0.

        Raises:
            CheckpointError: they are not there.
        """
        if self._best is not None and self._best_epoch == epoch:
            return self._best
        try:
            header, variables = read_arrays(self._best_file)
            if (header["fingerprint"], header["epoch"]) != (fingerprint, epoch):
                raise ValueError(f"those of epoch {header['epoch'] + 1} of the training {header['fingerprint']:.8}")
        except BROKEN as error:
            raise CheckpointError(
                f"Expected the weights of epoch {epoch + 1} of the training {fingerprint:.8} in {self._best_file}. "
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
        if self._state is not None:
            self._spare_state = self._state.variables
        self._state = state
        if best is not None:
            self._best, self._best_epoch = best, len(state.history) - 1
        if self._is_due(state):
            self._begin_writing(state)
        elif best is not None:
            # The state's memory is given away before they are written.
            self._best = self._spare_best = copied(best, self._spare_best)

    def spare(self) -> Arrays | None:
        """The arrays of an earlier state that nobody needs any more, to be given away once."""
        spare, self._spare_state = self._spare_state, None
        return spare

    def close(self) -> None:
        """Wait until everything is on the disk."""
        self._wait()
        if self._state is not None:
            self._begin_writing(self._state)
            self._wait()

    def require_room(self, state: int, best: int) -> None:
        """See to it that the disk takes what a training writes: both files, the draft of one, and the model.

        Args:
            state: bytes of a state.
            best: bytes of the model's variables.

        Raises:
            FilesError: it does not.
        """
        written = sum(path.stat().st_size for path in (self._state_file, self._best_file) if path.is_file())
        require_room(self.path, 2 * state + 2 * best - written, "the states and the model of this training")

    def clear(self) -> None:
        """Remove what is there and make the folder ready for another training."""
        self.close()
        shutil.rmtree(self.path, ignore_errors=True)
        self.path.mkdir(parents=True, exist_ok=True)  # it may be a link to a folder on another disk

    def _is_due(self, state: State) -> bool:
        is_large = sum(array.nbytes for array in state.variables) > LARGE
        return state.finished or not is_large or time.monotonic() - self._last_begun >= self._pause

    def _begin_writing(self, state: State) -> None:
        self._last_begun = time.monotonic()
        self._writing, self._state = self._writer.submit(self._write, state), None

    def _wait(self) -> None:
        writing, self._writing = self._writing, None
        if writing is not None:
            try:
                writing.result()
            except OSError as error:
                self._unsaved(error)

    def _write(self, state: State) -> None:
        # The best weights come first: a kill in between repeats the epoch, which writes the same ones again.
        if self._best is not None:
            header = {"fingerprint": state.fingerprint, "epoch": self._best_epoch}
            write_arrays(self._best_file, header, self._best)
            self._best = None
        header = {"fingerprint": state.fingerprint, "history": state.history, "finished": state.finished}
        write_arrays(self._state_file, {**header, "best_epoch": self._best_epoch}, state.variables)
        self._spare_state = state.variables
