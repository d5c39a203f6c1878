"""One process of this machine at a time moves the registry's aliases."""

import errno
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import mlflow

from facesent.core.errors import FacesentError
from facesent.core.files import locked
from facesent.core.paths import Project
from facesent.registry.addresses import sqlite_file

# Moving aliases takes well under a second, also through a server that is slow.
_MOST_SECONDS = 120
_NOT_WRITABLE = {errno.EROFS, errno.EACCES, errno.EPERM}


@contextmanager
def alone_with_registry() -> Iterator[None]:
    """Keep the other promoters of this machine out of a block; the system frees the lock of one that is killed.

    So none of them judges in vain; promoters on several machines are kept in order by the history (``decisions``).

    Raises:
        FacesentError: if another one keeps the lock for minutes.
    """
    path = _lock_file()
    busy = FacesentError(
        f"Expected to be the only one to move the registry's aliases. Received: for {_MOST_SECONDS} s another process "
        f"has held {path}. Wait until it has ended, or end it."
    )
    with ExitStack() as held:
        try:
            held.enter_context(locked(path, busy, seconds=_MOST_SECONDS))
        except OSError as error:
            # As in a server's container, which may write its log alone: the history keeps promoters in order there.
            if error.errno not in _NOT_WRITABLE:
                raise
        yield


def _lock_file() -> Path:
    """Beside the database where the registry is one file, and so the same from every folder; else the project's."""
    if file := sqlite_file(mlflow.get_registry_uri()):
        return file.with_name(f"{file.name}.lock").absolute()
    return (Project().outputs / "registry.lock").absolute()
