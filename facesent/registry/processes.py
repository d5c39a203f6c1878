"""Which process writes a run, so that a run whose process was killed can be told from one under way."""

import os
import socket
from pathlib import Path

import psutil

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_SAME_SECONDS = 5


def host() -> str:
    """This machine, as the first word of ``this_process``."""
    return socket.gethostname()


def this_process() -> str:
    """What tells this process from all others, of this machine and of other ones."""
    return f"{host()} {_boot()} {os.getpid()} {psutil.Process().create_time():.0f}"


def is_alive(process: str) -> bool:
    """Whether a process of this machine, as ``this_process`` gave it, still runs."""
    _, boot, pid, created = process.rsplit(" ", 3)
    try:
        # An id is used again after a while, and a clock that is set moves all times a little.
        return boot == _boot() and abs(psutil.Process(int(pid)).create_time() - float(created)) < _SAME_SECONDS
    except psutil.NoSuchProcess:
        return False


def _boot() -> str:
    """What tells this start of the machine from others: after another one all of its processes are gone."""
    return _BOOT.read_text(encoding="ascii").strip() if _BOOT.is_file() else "unknown"
