"""Embeddings of faces that were seen before, on this machine alone: a file that neither git, DVC nor MLflow has.

An embedding of a face tells who somebody is. The file can be read by its owner alone, and holds only faces that are in
``data/`` still.
"""

import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facesent.core.errors import DataError

Embedding = NDArray[np.float16]
_PASSING = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}
_TABLES = """
PRAGMA secure_delete = ON;
CREATE TABLE IF NOT EXISTS network (name TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS faces (content TEXT PRIMARY KEY, embedding BLOB NOT NULL) WITHOUT ROWID;
"""


class EmbeddingCache:
    """Embeddings by the SHA-256 of the image's file."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def known(self, sha256s: Collection[str]) -> Iterator[tuple[str, Embedding]]:
        """Those of ``sha256s`` that are there."""
        for sha256, stored in self._connection.execute("SELECT content, embedding FROM faces"):
            if sha256 in sha256s:
                yield sha256, np.frombuffer(stored, np.float16)

    def add(self, sha256s: Sequence[str], embeddings: Embedding) -> None:
        """Keep ``embeddings``, ``(n, d)``; what is kept stays, also if the process is killed."""
        rows = [(sha256, row.tobytes()) for sha256, row in zip(sha256s, embeddings, strict=True)]
        with self._connection:
            self._connection.executemany("INSERT OR REPLACE INTO faces VALUES (?, ?)", rows)


@contextmanager
def opened(path: Path | None, network: str) -> Iterator[EmbeddingCache]:
    """The embeddings that a network made; those of another one, and a damaged file, are removed.

    Args:
        path: of the file; None: in memory alone.
        network: what tells it from others.

    Raises:
        DataError: the file is in use, or cannot be written.
    """
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        if not _made_by(path, network):
            path.unlink()
            path.touch(mode=0o600)
    with closing(sqlite3.connect(path or ":memory:")) as connection:
        connection.executescript(_TABLES)
        with connection:
            connection.execute("INSERT OR IGNORE INTO network VALUES (?)", (network,))
        yield EmbeddingCache(connection)


def forget(path: Path, gone: Callable[[str], bool]) -> None:
    """Forget the embeddings of the images with such a SHA-256; a file that they cannot be deleted from is removed."""
    try:
        _delete(path, gone)
    except sqlite3.DatabaseError:
        path.unlink()


def forget_others(path: Path, sha256s: Collection[str]) -> None:
    """Forget the embeddings of all but these images; a file that is damaged is removed.

    Raises:
        DataError: the file is in use, or cannot be written.
    """
    try:
        _delete(path, lambda sha256: sha256 not in sha256s)
    except sqlite3.DatabaseError as error:
        _require_damage(path, error)
        path.unlink()


def _delete(path: Path, gone: Callable[[str], bool]) -> None:
    if not path.is_file():
        return
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(_TABLES)
        rows = [row for row in connection.execute("SELECT content FROM faces") if gone(row[0])]
        with connection:
            connection.executemany("DELETE FROM faces WHERE content = ?", rows)


def _made_by(path: Path, network: str) -> bool:
    try:
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript(_TABLES)
            names = [name for (name,) in connection.execute("SELECT name FROM network")]
            sound = connection.execute("PRAGMA quick_check").fetchone() == ("ok",)
    except sqlite3.DatabaseError as error:
        _require_damage(path, error)
        return False
    return sound and names in ([], [network])


def _require_damage(path: Path, error: sqlite3.DatabaseError) -> None:
    """Refuse what speaks of the disk or of another process, and not of what is in the file or of whose it is."""
    # The low byte is the kind; text that is none has no code.
    if getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF in _PASSING:
        raise DataError(
            f"Expected to read and write {path}. Received: {error}. Free disk space, or end what else uses the file, "
            "and run it again."
        ) from None
