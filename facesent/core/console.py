"""What people see on the terminal: lines, progress, and errors as one message."""

import gc
import runpy
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from facesent.core.errors import in_a_line

Progress = Callable[[int, int], None]
NO_PROGRESS: Progress = lambda done, total: None  # noqa: E731

_SECONDS_BETWEEN_LINES = 5


def say(line: str) -> None:
    """Print a line at once, also into a pipe."""
    print(line, flush=True)


def run_main(act: Callable[[], object]) -> None:
    """Run a process's main; what a person can put right, also a full disk, ends it with a message and status 1."""
    try:
        act()
    except Exception as error:
        if (said := in_a_line(error)) is None:
            raise
        # Whoever read a pipe and went needs no message.
        if not isinstance(error, BrokenPipeError):
            print(f"Error: {said}", file=sys.stderr, flush=True)
        raise SystemExit(1) from None
    finally:
        leave_at_once()


def run_stage_as_before(stage: str) -> None:
    """Let ``python -m facesent.stages.STAGE`` do what it did before ``python -m facesent.run``, which has watchers."""
    sys.argv.insert(1, stage)
    runpy.run_module("facesent.run", run_name="__main__")


def leave_at_once() -> None:
    """Spare the interpreter's end its last search for garbage: among TensorFlow's objects it takes over a second."""
    gc.freeze()


@contextmanager
def progress_of(what: str, *, unit: str = "images") -> Iterator[Progress]:
    """Show how far ``what`` is, on stderr.

    Yields:
        a function of (done, in all); in all may be 0 where it is not known. ``unit`` "bytes" shows a file size.
    """
    if sys.stderr.isatty():
        with _bar(what, unit) as report:
            yield report
    else:
        yield _lines(what, unit)


@contextmanager
def bar_of(what: str) -> Iterator[Progress]:
    """Show how far ``what`` is and how long it may still take, on a terminal alone: it says more in lines of its own.

    Yields:
        a function of (done, in all).
    """
    if sys.stderr.isatty():
        with _bar(what, "") as report:
            yield report
    else:
        yield NO_PROGRESS


@contextmanager
def _bar(what: str, unit: str) -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    amount = DownloadColumn() if unit == "bytes" else MofNCompleteColumn()
    columns = (TextColumn("{task.description}"), BarColumn(), amount, TimeRemainingColumn())
    # Lines of a stdout that is no terminal go where they were sent, not above the bar.
    with Bar(*columns, console=Console(stderr=True), redirect_stdout=sys.stdout.isatty()) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total or None)


def _lines(what: str, unit: str) -> Progress:
    scale, unit = (1e6, "MB") if unit == "bytes" else (1, unit)
    due = time.monotonic() + _SECONDS_BETWEEN_LINES

    def report(done: int, total: int) -> None:
        nonlocal due
        if time.monotonic() >= due:
            due = time.monotonic() + _SECONDS_BETWEEN_LINES
            of = f" of {total / scale:.0f}" if total else ""
            print(f"{what}: {done / scale:.0f}{of} {unit}", file=sys.stderr, flush=True)

    return report
