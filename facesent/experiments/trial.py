"""One trial, in a process of its own.

``python -m facesent.experiments.trial FOLDER`` trains with ``FOLDER/params.yaml``.

Each epoch's logs are a line of JSON on stdout, and so is what interrupts the training; all else goes to stderr. The
process ends with the one that started it.
"""

import errno
import json
import math
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from facesent.core.console import run_main
from facesent.core.errors import in_a_line
from facesent.core.files import FilesError, images_in_use
from facesent.core.lifeline import end_with_stdin
from facesent.core.paths import Project
from facesent.core.watching import Epoch, Start, Terminal, Watcher, watched
from facesent.experiments.settings import METRICS
from facesent.images.rows import read_split
from facesent.params import load_params

CHECKPOINT = "checkpoint"


def train_trial(project: Project, folder: Path, rows: TextIO) -> None:
    """Train on ``train.csv`` and measure on ``val.csv``; a killed trial goes on at its last finished epoch.

    Args:
        project: whose images and splits.
        folder: holds ``params.yaml``, and the checkpoint while the trial is under way.
        rows: takes ``{"epoch": 0, "row": {…}}`` of every epoch, first of those that were trained before, and
            ``{"interrupted": "…"}`` if it has to end because of something else than its values.
    """
    params = load_params(folder / "params.yaml")
    told = _Rows(rows)
    with _interruption_told(told), images_in_use(project.data), watched(Terminal(_say), told) as watch:
        # It loads TensorFlow: settings that are refused should not wait for it.
        from facesent.training.loop import fit
        from facesent.training.progress import DivergedError

        frames = {name: read_split(project.split(name)) for name in ("train", "val")}
        try:
            fit(
                project.data,
                frames,
                params.model,
                params.train,
                checkpoint=folder / CHECKPOINT,
                watch=watch,
                spill=project.outputs,
            )
        except DivergedError as error:
            # It tells the sweep as much as any other result does: these values are bad ones.
            _say(error)
            told.diverged()


class _Rows(Watcher):
    """Writes each epoch as a line of JSON, those of an interrupted training first."""

    def __init__(self, rows: TextIO) -> None:
        self._rows = rows
        self._next = 0

    def started(self, start: Start) -> None:
        for index, row in enumerate(start.finished):
            self._emit(index, row)

    def epoch(self, epoch: Epoch) -> None:
        self._emit(epoch.index, epoch.row)

    def diverged(self) -> None:
        """An epoch without a number for what may be optimised."""
        self._emit(self._next, dict.fromkeys(METRICS, math.nan))

    def interrupted(self, said: str) -> None:
        """Why the training cannot go on now."""
        self._write({"interrupted": said})

    def _emit(self, epoch: int, row: Mapping[str, float]) -> None:
        self._write({"epoch": epoch, "row": dict(row)})
        self._next = epoch + 1

    def _write(self, entry: Mapping[str, object]) -> None:
        print(json.dumps(entry), file=self._rows, flush=True)


@contextmanager
def _interruption_told(told: _Rows) -> Iterator[None]:
    """Tell the sweep of an error that says nothing of the values; not by the log, whose disk may be the full one."""
    try:
        yield
    except Exception as error:
        if _is_interruption(error):
            told.interrupted(in_a_line(error) or str(error))
        raise


def _is_interruption(error: Exception) -> bool:
    """Whether it is the machine's: other values would not have done better, and these may do well another time."""
    if isinstance(error, OSError):
        # What libraries raise has no number.
        return error.errno not in (None, errno.ENOMEM)
    if isinstance(error, FilesError):
        return True
    # They are slow to load, and loaded already where they are raised.
    from facesent.images.reading import ImageError
    from facesent.images.spill import SpillError
    from facesent.training.checkpoint import CheckpointError

    return isinstance(error, ImageError | SpillError | CheckpointError)


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
    run_main(lambda: train_trial(Project(), Path(sys.argv[1]), stdout))
