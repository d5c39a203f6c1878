"""Programs that run beside this process, none of which outlives it: not when it fails, nor when it is ended."""

import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from threading import Lock

_GRACE_SECONDS = 10.0


_SHOWN_LINES = 20


Process = subprocess.Popen[str]


class Family:
    """Processes that threads of a flow wait for, to be ended together: an exception ends only the thread it is in."""

    def __init__(self) -> None:
        self._members: set[Process] = set()
        self._ended = False
        self._lock = Lock()

    def add(self, process: Process) -> None:
        """Let ``process`` end with the others, at once if they have ended already."""
        with self._lock:
            self._members.add(process)
            ended = self._ended
        if ended:
            end(process)

    def remove(self, process: Process) -> None:
        """Forget a process that is done."""
        with self._lock:
            self._members.discard(process)

    def end(self) -> None:
        """End all members, and whatever is added later."""
        with self._lock:
            self._ended, members = True, list(self._members)
        for process in members:
            _signal(process, signal.SIGTERM)
        for process in members:
            end(process)


_family: ContextVar[Family | None] = ContextVar("family", default=None)


@contextmanager
def ended_together() -> Iterator[None]:
    """When an exception leaves this block, end all processes that it and the tasks it submitted to threads started.

    Prefect gives such a task a copy of the context, and with it the family.
    """
    family = Family()
    token = _family.set(family)
    try:
        yield
    except BaseException:
        family.end()
        raise
    finally:
        _family.reset(token)


def environment(further: Mapping[str, str] | None = None, *, without: tuple[str, ...] = ()) -> dict[str, str]:
    """This process's variables for another one, without those that begin like one of ``without``, and ``further``."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(without)}
    # dvc.yaml says `python`: that has to be this one, also where its environment was not activated.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    # Unbuffered: an epoch's line should be in the log when the epoch ends.
    return {**kept, "PATH": path, "PYTHONUNBUFFERED": "1", **(further or {})}


@contextmanager
def process_group(
    command: list[str], folder: Path, env: Mapping[str, str], *, lifeline: bool = False
) -> Iterator[Process]:
    """Run ``command``; whatever ends this block, an exception or a signal turned into one, also ends its children.

    Args:
        command: program and arguments.
        folder: in which it runs.
        env: its variables.
        lifeline: give it a standard input that ends when this process does, even if that is killed. It has to watch it.
    """
    with subprocess.Popen(
        command,
        cwd=folder,
        env=env,
        stdin=subprocess.PIPE if lifeline else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        process_group=0,
    ) as process:
        family = _family.get()
        try:
            if family:
                family.add(process)
            yield process
        finally:
            if process.poll() is None:
                end(process)
            if family:
                family.remove(process)


def followed(process: Process, log: Callable[[str], None]) -> tuple[int, list[str]]:
    """Pass on what ``process`` prints, line by line, until it ends; its exit status and the last lines."""
    last: deque[str] = deque(maxlen=_SHOWN_LINES)
    for line in filter(None, map(str.rstrip, process.stdout or ())):
        log(line)
        last.append(line)
    return process.wait(), list(last)


def end(process: Process) -> None:
    """Ask a process and its children to end, then make them."""
    _signal(process, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(_GRACE_SECONDS)
    # A program may be gone while those that it started are not.
    _signal(process, signal.SIGKILL)


def _signal(process: Process, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)
