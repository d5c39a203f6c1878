"""The flow as a process whose tasks can be told apart from outside, and all that it has started."""

import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from threading import Condition, Thread
from types import TracebackType
from uuid import uuid4

import psutil

from benchmarks.projects import environment

STAGES = ("validate", "split", "train", "evaluate")
# From the flow's first moment to its last.
TASKS = ("start", *STAGES, "register", "canary", "gate", "promote", "report", "end")
# Whoever inherits it is of the flow, whatever became of its parents.
_MARK = "BENCHMARKED_FLOW"


class FlowProcess:
    """``python -m flows.pipeline`` in a project.

    Args:
        project: where it runs.
        variables: beside those of ``environment``.
    """

    def __init__(self, project: Path, variables: Mapping[str, str]) -> None:
        self._mark = uuid4().hex
        self._lines: list[tuple[float, str]] = []
        self._news = Condition()
        self._open = True
        self._begun = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "flows.pipeline"],
            cwd=project,
            env={**environment(project), **variables, _MARK: self._mark, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            process_group=0,
            # What nohup and a shell's background ignore, a flow that people start does not.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        self.ended = 0.0
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> "FlowProcess":
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        for process in self.family():
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.wait()

    @property
    def output(self) -> str:
        """All that it printed so far."""
        return "\n".join(line for _, line in self._lines)

    def seconds_at(self, task: str) -> float:
        """When a task began, from the flow's start."""
        return next(when for when, line in self._lines if _begins(task, line)) if task != "start" else 0.0

    def wait_for(self, task: str, seconds: float) -> bool:
        """Wait until so many seconds of a task are over; False where the flow ended before."""

        def reached() -> bool:
            return not self._open or task == "start" or any(_begins(task, line) for _, line in self._lines)

        with self._news:
            self._news.wait_for(reached, timeout=600)
            self._news.wait_for(lambda: not self._open, timeout=seconds)
        return self.process.poll() is None

    def wait(self, seconds: float) -> int | None:
        """Its status; None where it has none after so many seconds."""
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        self._reader.join(timeout=1)
        self.ended = time.monotonic() - self._begun
        return status

    def family(self) -> list[psutil.Process]:
        """All that are alive of what it started, and itself."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                if process.environ().get(_MARK) == self._mark and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found

    def outlived_by(self, seconds: float) -> Sequence[psutil.Process]:
        """Those of the family that are alive after so many seconds; none as soon as there is none."""
        deadline = time.monotonic() + seconds
        while (left := self.family()) and time.monotonic() < deadline:
            time.sleep(0.1)
        return left

    def _read(self) -> None:
        for line in self.process.stdout or ():
            with self._news:
                self._lines.append((time.monotonic() - self._begun, line.rstrip()))
                self._news.notify_all()
        with self._news:
            self._open = False
            self._news.notify_all()


def _begins(task: str, line: str) -> bool:
    """Whether the line is that at which a task begins: the end of the one before."""
    before = dict(pairwise(reversed(TASKS)))[task]
    if before == "start":
        return "Beginning flow run" in line
    return f"Task run '{before}' - Finished in state" in line
