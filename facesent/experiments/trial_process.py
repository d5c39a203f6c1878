"""A trial's process as its parent sees it: a row an epoch, and the last lines of its log where it failed."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from facesent.core.errors import FacesentError

Row = dict[str, float]


_SHOWN_LINES = 20


class TrialFailedError(FacesentError):
    """A trial's process ended with an error; the message ends with what it said last."""


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
    """
    log = folder / "log.txt"
    # -P: a module in the project must not shadow one that Keras imports.
    command = [sys.executable, "-P", "-m", "facesent.experiments.trial", str(folder.absolute())]
    with (
        log.open("wb") as stderr,
        subprocess.Popen(
            command,
            cwd=root,
            stdin=subprocess.PIPE,  # it ends when this end of the pipe closes, also if we are killed
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            encoding="utf-8",
            process_group=0,  # Ctrl-C ends us; a trial that ended of it would look as if it had failed
        ) as process,
    ):
        try:
            yield _rows(process, log)
        finally:
            # Its checkpoint outlives any kill.
            process.kill()


def _rows(process: "subprocess.Popen[str]", log: Path) -> Iterator[tuple[int, Row]]:
    for line in process.stdout or ():
        entry = json.loads(line)
        yield entry["epoch"], entry["row"]
    if code := process.wait():
        last = log.read_text(encoding="utf-8", errors="replace").splitlines()[-_SHOWN_LINES:]
        said = "\n".join(last) or f"It ended with code {code} and said nothing."
        raise TrialFailedError(f"{log.parent.name} failed ({code}). {said}\nAll it said: {log}")
