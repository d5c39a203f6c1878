"""The end of processes."""

import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import psutil

_SECONDS = 60.0


@contextmanager
def ended_with_block(process: "subprocess.Popen[Any]") -> Iterator[None]:
    """Ask a process to end with the block, and make it where it does not."""
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def survivors(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    """Those that are still there after a minute; the end of one that was killed may take a moment."""
    deadline = time.monotonic() + _SECONDS
    left = list(filter(_is_alive, processes))
    while left and time.monotonic() < deadline:
        # Not wait_procs alone: a container's first process may never fetch what became of an orphan.
        psutil.wait_procs(left, timeout=0.1)
        left = list(filter(_is_alive, left))
    return left


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
