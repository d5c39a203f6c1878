"""Files that are whole or not there, their hashes, and locks that processes of this machine share."""

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory


def sha256(path: Path) -> str:
    """Hash of a file's bytes: 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """Write a file in one step: whatever ends this block, a kill or a power cut, leaves the old file or the new one.

    Args:
        path: of the file; its folder is made.

    Yields:
        where the block writes the new content: a name with the same ending, in a folder beside the file that is
        removed in the end with whatever else is in it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=path.parent, prefix=".draft-") as folder:
        draft = Path(folder) / path.name
        yield draft
        with draft.open("rb") as file:
            # A rename may reach the disk before the content does.
            os.fsync(file.fileno())
        draft.replace(path)


@contextmanager
def locked(path: Path, on_busy: Callable[[], None], *, seconds: float = 0) -> Iterator[None]:
    """Keep other processes out of this block; the system frees the lock of one that is killed.

    Args:
        path: of the lock's file.
        on_busy: called once if another process is still inside after ``seconds``; it may raise, or else its turn is
            waited for.
        seconds: to wait before that.
    """
    from filelock import FileLock, Timeout

    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=seconds)
    except Timeout:
        on_busy()
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
