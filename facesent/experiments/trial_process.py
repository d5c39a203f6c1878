"""A trial's process as its parent sees it: a row an epoch, and the last lines of its log where it failed."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from facesent.core.errors import FacesentError
from facesent.core.programs import Ending, Process, child_environment, process_group, python

Row = dict[str, float]


class TrialFailedError(FacesentError):
    """A trial's process ended with an error; the message ends with what it said last."""


class TrialInterruptedError(FacesentError):
    """A full disk, or images that are away or in use, ended a trial's process; it can be gone on with."""


@contextmanager
def training_process(root: Path, folder: Path) -> Iterator[Iterator[tuple[int, Row]]]:
    """Train ``folder/params.yaml`` beside this process; leaving the block ends the training.

    Args:
        root: the project's root.
        folder: the trial's; ``log.txt`` in it takes what the process prints.

    Yields:
        the index and the logs of each epoch, as it finishes.

    Raises:
        TrialFailedError: while iterating, once the process has ended with an error.
        TrialInterruptedError: likewise, with one that says nothing of the values.
    """
    log = folder / "log.txt"
    command = python("facesent.experiments.trial", str(folder.absolute()))
    with (
        log.open("wb") as stderr,
        # Its checkpoint outlives any kill.
        process_group(command, root, child_environment(), lifeline=True, stderr=stderr, grace_seconds=0) as process,
    ):
        yield _rows(process, log)


def _rows(process: Process, log: Path) -> Iterator[tuple[int, Row]]:
    interrupted = ""
    for line in process.stdout or ():
        entry = json.loads(line)
        if "interrupted" in entry:
            interrupted = entry["interrupted"]
        else:
            yield entry["epoch"], entry["row"]
    code = process.wait()
    if interrupted:
        raise TrialInterruptedError(
            f"{log.parent.name} was interrupted, and the next run goes on with it. {interrupted}"
        )
    if code:
        ending = Ending(log.read_text(encoding="utf-8", errors="replace").splitlines())
        said = "\n".join(ending.lines) or f"It ended with code {code} and printed nothing."
        raise TrialFailedError(f"{log.parent.name} failed ({code}). {said}\nIts log: {log}")
