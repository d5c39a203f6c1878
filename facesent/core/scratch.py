"""A process's folder for temporary files: libraries leave theirs behind when the process is killed, some of 100 MB."""

import atexit
import hashlib
import os
import shutil
import socket
import tempfile
from contextlib import suppress
from pathlib import Path

import psutil

_PREFIX = "facesent-"
_NAMESPACE = Path("/proc/self/ns/pid")


def shared_temporary_folder() -> Path:
    """The system's folder for temporary files, also where this process has one of its own in it."""
    place = Path(tempfile.gettempdir())
    return place.parent if place.name.startswith(_PREFIX) else place


def own_temporary_folder() -> None:
    """Let this process and those that it starts keep temporary files in one folder, which ends with it.

    First those of processes that were killed are removed. Where none can be made, as on a full disk, all stays as it
    is: who needs one will say so.
    """
    ours = f"{_PREFIX}{_machine()}-"
    with suppress(OSError):
        place = Path(tempfile.gettempdir())
        if place.name.startswith(ours):
            return  # of the process that started this one
        for left in place.glob(f"{ours}*"):
            owner = left.name.removeprefix(ours)
            if owner == str(os.getpid()) or (owner.isdigit() and not psutil.pid_exists(int(owner))):
                shutil.rmtree(left, ignore_errors=True)
        folder = place / f"{ours}{os.getpid()}"
        # Somebody else's folder of this name is not taken for ours.
        folder.mkdir(mode=0o700)
        tempfile.tempdir = os.environ["TMPDIR"] = str(folder)
        atexit.register(shutil.rmtree, folder, ignore_errors=True)


def _machine() -> str:
    """Where the numbers of processes are the same: containers may share the place and count for themselves.

    Short, as it becomes part of the addresses of sockets, which may have some 100 characters.
    """
    namespace = _NAMESPACE.readlink() if _NAMESPACE.exists() else ""
    return hashlib.sha256(f"{socket.gethostname()} {namespace}".encode()).hexdigest()[:4]
