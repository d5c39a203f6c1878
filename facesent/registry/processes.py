"""Which process writes a run, so that a run whose process was killed can be told from one under way."""

import os
import socket
from pathlib import Path

import psutil

_BOOT = Path("/proc/sys/kernel/random/boot_id")
# Seconds, or ticks.
_SAME = 5


def host() -> str:
    """This machine, as the first word of ``this_process``."""
    return socket.gethostname()


def this_process() -> str:
    """What tells this process from all others, of this machine and of other ones."""
    return f"{host()} {_boot()} {os.getpid()} {_started(os.getpid()):.0f}"


def is_alive(process: str) -> bool:
    """Whether a process of this machine, as ``this_process`` gave it, still runs."""
    _, boot, pid, created = process.rsplit(" ", 3)
    try:
        # An id is used again after a while.
        return boot == _boot() and abs(_started(int(pid)) - float(created)) < _SAME
    except psutil.NoSuchProcess:
        return False


def _started(pid: int) -> float:
    """When a process started: on Linux in ticks since the machine did, which no clock that is set moves."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        # Field 22; before it is the program's name, which may hold anything.
        return float(fields.rpartition(")")[2].split()[19])
    except OSError:
        return float(psutil.Process(pid).create_time())


def _boot() -> str:
    """What tells this start of the machine from others: after another one all of its processes are gone."""
    return _BOOT.read_text(encoding="ascii").strip() if _BOOT.is_file() else "unknown"
