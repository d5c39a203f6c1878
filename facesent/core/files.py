"""Files that are whole or not there, their hashes, and locks that processes of this machine share."""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from facesent.core.dvc_files import repository_root
from facesent.core.errors import FacesentError

if TYPE_CHECKING:
    from filelock import FileLock

DRAFT = ".draft-"
"""What the names of folders begin with in which new content is written; a kill leaves one behind."""


class FilesError(FacesentError):
    """The disk is too full for what is to be written, or the images are in use."""


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
    with TemporaryDirectory(dir=path.parent, prefix=DRAFT) as folder:
        draft = Path(folder) / path.name
        yield draft
        with draft.open("rb") as file:
            # A rename may reach the disk before the content does.
            os.fsync(file.fileno())
        draft.replace(path)


def require_room(folder: Path, size: int, purpose: str) -> None:
    """See to it that the disk of ``folder``, which is there, takes ``size`` further bytes.

    Raises:
        FilesError: saying what for.
    """
    free = shutil.disk_usage(folder).free
    if free < size:
        raise FilesError(
            f"Expected {_megabytes(size)} of free disk space in {folder} for {purpose}. Received: {_megabytes(free)}. "
            "Free some space and run it again."
        )


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"


@contextmanager
def locked(path: Path, busy: Exception, *, seconds: float = 0) -> Iterator[None]:
    """Keep other processes out of this block; the system frees the lock of one that is killed.

    Args:
        path: of the lock's file.
        busy: raised if another process is still inside after ``seconds``.
        seconds: to wait before that.
    """
    from filelock import Timeout

    lock = _lock(path)
    try:
        lock.acquire(timeout=seconds)
    except Timeout:
        raise busy from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def locked_in_turn(path: Path, on_busy: Callable[[], object]) -> Iterator[None]:
    """The same, and wait for as long as another process is inside.

    Args:
        path: of the lock's file.
        on_busy: called once before it is waited for.
    """
    from filelock import Timeout

    lock = _lock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        on_busy()
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _lock(path: Path) -> "FileLock":
    from filelock import FileLock

    path.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(path)


@contextmanager
def images_in_use(data: Path) -> Iterator[None]:
    """Keep ``facesent data`` from changing the images while a block reads them; others may read them too.

    Args:
        data: the folder of the class folders.

    Raises:
        FilesError: they are being changed.
    """
    with _of_images(data, fcntl.LOCK_SH, "read", "being changed by `facesent data`"):
        yield


@contextmanager
def images_alone(data: Path) -> Iterator[None]:
    """Have the images alone, to change them.

    Args:
        data: the folder of the class folders; the one around it is there.

    Raises:
        FilesError: somebody reads or changes them.
    """
    users = "a stage, a fold, a trial, a promotion, or another `facesent data`"
    with _of_images(data, fcntl.LOCK_EX, "write", f"in use by {users}"):
        yield


@contextmanager
def _of_images(data: Path, kind: int, purpose: str, busy: str) -> Iterator[None]:
    path = _lock_of_images(data)
    # Opened anew for each block: only so are they apart within one process too.
    lock = _opened_lock(path)
    try:
        try:
            fcntl.flock(lock, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FilesError(
                f"Expected to {purpose} the images in {data}. Received: they are {busy}. Wait until it has ended."
            ) from None
        yield
    finally:
        os.close(lock)


def _opened_lock(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except PermissionError:
        # That of another user: it is locked all the same by who may read it.
        with suppress(OSError):
            return os.open(path, os.O_RDONLY)
        raise FilesError(
            f"Expected to open the lock {path}. Received: permission denied, as another user made it. While nobody "
            f"uses the images, delete it: rm {path}"
        ) from None


def _lock_of_images(data: Path) -> Path:
    """In DVC's folder for such files where there is one, as nobody has to wonder there what it is."""
    folder = data.parent.resolve()
    root = repository_root(folder)
    path = root / ".dvc" / "tmp" / "facesent-images.lock" if root else folder / f".{data.name}-lock"
    path.parent.mkdir(exist_ok=True)
    return path
