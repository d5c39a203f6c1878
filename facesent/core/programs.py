"""Programs that run beside this process, none of which outlives it: not when it fails, nor when it is ended."""

import json
import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from threading import Lock
from typing import IO, Generic, Self, TypeVar, cast

import psutil

from facesent.core import lifeline as lifelines
from facesent.core.errors import FacesentError

SHOWN_LINES = 20
_GRACE_SECONDS = 10.0

# -P: a module in the folder where it runs must not shadow one that it imports.
_PYTHON = [sys.executable, "-P", "-m"]
Log = Callable[[str], None]
Process = subprocess.Popen[str]

_Waiting = TypeVar("_Waiting")

_running = set[Process]()


class Ending:
    """Of what a program prints the last lines, or its error and what follows: at most ``SHOWN_LINES``."""

    def __init__(self, lines: Iterable[str] = ()) -> None:
        self._lines: deque[str] = deque(maxlen=SHOWN_LINES)
        self._failed = False
        for line in lines:
            self.add(line)

    def add(self, line: str) -> None:
        """Take the next line."""
        if line.startswith("Error: "):
            self._lines.clear()
            self._failed = True
        # What is to be done about an error may be a long text behind it.
        if not self._failed or len(self._lines) < SHOWN_LINES:
            self._lines.append(line)

    @property
    def lines(self) -> list[str]:
        """Those lines."""
        return list(self._lines)


class ProgramError(FacesentError):
    """A program failed; the message ends with what it printed last.

    Attributes:
        status: its exit status; below 0 the signal that ended it.
        last: its ``Ending``.
    """

    def __init__(self, command: list[str], status: int, last: list[str]) -> None:
        self.status, self.last = status, last
        words = command[3:] if command[:3] == _PYTHON else command
        said = "\n".join(["", *last])
        super().__init__(f"Expected `{' '.join(words)}` to succeed. Received: status {status}{said}")


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


def python(module: str, *arguments: str) -> list[str]:
    """The command that runs a module in this interpreter."""
    return [*_PYTHON, module, *arguments]


def dvc(*arguments: str) -> list[str]:
    """The command that runs DVC."""
    return python("dvc", *arguments)


def tied(command: list[str]) -> list[str]:
    """The command of ``python`` or ``dvc``, for a ``process_group`` with a lifeline: it need not watch that itself."""
    return [sys.executable, "-P", lifelines.__file__, *command[len(_PYTHON) :]]


def child_environment(further: Mapping[str, str] | None = None, *, without: tuple[str, ...] = ()) -> dict[str, str]:
    """This process's variables for another one, without those that begin like one of ``without``, and ``further``."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(without)}
    # dvc.yaml says `python`: that has to be this one, also where its environment was not activated.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    # Unbuffered: an epoch's line should be in the log when the epoch ends.
    return {**kept, "PATH": path, "PYTHONUNBUFFERED": "1", **(further or {})}


@contextmanager
def process_group(
    command: list[str],
    folder: Path,
    env: Mapping[str, str],
    *,
    lifeline: bool = False,
    stdout: int | IO[bytes] | None = subprocess.PIPE,
    stderr: int | IO[bytes] | None = subprocess.STDOUT,
    grace_seconds: float = _GRACE_SECONDS,
) -> Iterator[Process]:
    """Run ``command``; whatever ends this block, an exception or a signal turned into one, also ends its children.

    Ctrl-C reaches this process alone, which then ends the group.

    Args:
        command: program and arguments.
        folder: in which it runs.
        env: its variables.
        lifeline: give it a standard input that ends when this process does, even if that is killed. It has to watch
            it, by ``lifeline.end_with_stdin`` or as a command that is ``tied``.
        stdout: where its output goes; None for where that of this process goes.
        stderr: where its errors go.
        grace_seconds: for which it may put things in order where it is ended.
    """
    family = _family.get()
    # Should an exception come before the try, leaving the with closes the lifeline.
    with subprocess.Popen(
        command,
        cwd=folder,
        env=env,
        stdin=subprocess.PIPE if lifeline else subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        text=True,
        encoding="utf-8",
        errors="replace",
        process_group=0,
    ) as process:
        try:
            _running.add(process)
            if family:
                family.add(process)
            yield process
        finally:
            end(process, grace_seconds)
            _running.discard(process)
            if family:
                family.remove(process)


def run(
    command: list[str], folder: Path, env: Mapping[str, str], log: Log, standby: "Standby[Process] | None" = None
) -> None:
    """Run a command of ``python`` or ``dvc`` and pass on each line that it prints.

    Whatever ends this, even a SIGKILL, ends the program and its children.

    Args:
        command: to run.
        folder: in which it runs.
        env: its variables.
        log: receives each line.
        standby: of ``ready`` processes, with this folder and these variables.

    Raises:
        ProgramError: it failed.
    """
    if standby is None:
        with process_group(tied(command), folder, env, lifeline=True) as process:
            follow(process, log, command)
    else:
        with standby.taken() as process:
            tell(process, command[len(_PYTHON) :])
            follow(process, log, command)


@contextmanager
def ready(modules: Iterable[str], folder: Path, env: Mapping[str, str]) -> Iterator[Process]:
    """A process that imports modules, and waits to be told a command of ``python`` or ``dvc``."""
    command = [sys.executable, "-P", lifelines.__file__, "--ready", *modules]
    with process_group(command, folder, env, lifeline=True) as process:
        yield process


def tell(process: Process, words: object) -> None:
    """Write a line of JSON to a process that waits for it; one that has ended is found by who waits for it."""
    # Not by its file, which would keep what a process that has ended did not take, and fail once more when closed.
    with suppress(BrokenPipeError):
        os.write(cast("IO[str]", process.stdin).fileno(), f"{json.dumps(words)}\n".encode())


class Standby(Generic[_Waiting]):
    """Room for processes that import what they need before it is known what they have to do.

    As a context manager it ends one that waits at the end of the block.

    Args:
        begin: starts one, for the length of a block.
        process: which of what ``begin`` gives is the process.
    """

    def __init__(
        self,
        begin: Callable[[], AbstractContextManager[_Waiting]],
        process: Callable[[_Waiting], Process],
    ) -> None:
        self._begin, self._process, self._left = begin, process, 1
        self._begun = ExitStack()
        self._waiting: _Waiting | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._begun.close()

    def allow(self, count: int) -> None:
        """Let so many get ready from now on, instead of one, the next one while the one before it works."""
        self._left = count

    def start(self) -> _Waiting | None:
        """Let one get ready, if none does and one is left; the one that waits."""
        if self._waiting is None and self._left:
            self._left -= 1
            self._waiting = self._begun.enter_context(self._begin())
        return self._waiting

    @contextmanager
    def taken(self) -> Iterator[_Waiting]:
        """The one that waits, or a new one where none does any more; it ends with the block."""
        waiting, self._waiting = self.start(), None
        with self._begun.pop_all() as begun:
            if waiting is None or self._process(waiting).poll() is not None:
                waiting = begun.enter_context(self._begin())
            self.start()
            yield waiting
        return self._waiting


def follow(process: Process, log: Log, command: list[str] | None = None) -> None:
    """Pass on what a process prints, line by line, until it ends.

    Args:
        process: to follow.
        log: receives each line.
        command: as an error names it; by default the process's.

    Raises:
        ProgramError: it failed.
    """
    ending = Ending()
    for line in filter(None, map(str.rstrip, process.stdout or ())):
        log(line)
        ending.add(line)
    if status := process.wait():
        raise ProgramError(command or cast("list[str]", process.args), status, ending.lines)


def end(process: Process, grace_seconds: float = _GRACE_SECONDS) -> None:
    """Ask a process and its children to end, then make them; without a grace at once."""
    # A program may be gone while those that it started are not.
    for number in (signal.SIGTERM, signal.SIGKILL) if grace_seconds else (signal.SIGKILL,):
        if not _signal(process, number):
            return
        with suppress(subprocess.TimeoutExpired):
            process.wait(grace_seconds)
        # Not the first one: its exit status is for Popen.
        psutil.wait_procs([member for member in members(process.pid) if member.pid != process.pid], grace_seconds)


def end_all() -> None:
    """Ask all that run beside this process to end, then make them: before it ends without unwinding."""
    for process in list(_running):
        end(process)


def _kill_all() -> None:
    for process in list(_running):
        _signal(process, signal.SIGKILL)


lifelines.end_at_last(_kill_all)


def members(group: int) -> list[psutil.Process]:
    """The processes of a group, also those whose parents are gone."""
    found = []
    for process in psutil.process_iter():
        with suppress(ProcessLookupError, psutil.NoSuchProcess):
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def _signal(process: Process, number: signal.Signals) -> bool:
    """Whether there was a process of the group to receive it."""
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return False
    return True
