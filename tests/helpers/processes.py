"""Waiting for processes to be gone."""

import time
from collections.abc import Iterable

import psutil

_SECONDS = 60.0


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
