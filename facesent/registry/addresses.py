"""Where the store's files lie, told from the project's folder: a folder that is moved or copied takes its store along.

MLflow writes absolute addresses, by which a moved store finds nothing and a copied one writes into the original.
"""

import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from facesent.core.errors import TrackingError

DATABASE, FOLDER = "mlflow.db", "mlruns"
# MLflow's own default is the same file by its absolute path, percent-encoded: with a space in it, in another folder.
LOCAL_STORE = f"sqlite:///{DATABASE}"

_EXPERIMENTS = ("experiments", "artifact_location")
COLUMNS = (
    _EXPERIMENTS,
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
# Another process's change takes milliseconds; a store that stays locked is told of where it is needed.
_BUSY_SECONDS = 2


def sqlite_file(address: str = "") -> Path | None:
    """The file of a database, by default of MLflow's tracking store, where that is one of SQLite; it need not exist."""
    address = address or os.environ.get("MLFLOW_TRACKING_URI") or LOCAL_STORE
    # Options of the driver may follow.
    scheme, _, path = address.partition("?")[0].partition(":///")
    return Path(path) if path and scheme.partition("+")[0] == "sqlite" else None


def make_relative() -> None:
    """Let the store in the working folder name its files from there; says so where it had come from elsewhere.

    Quick where nothing is to do. A store of another folder stays as it is, and so does one that cannot be written now.
    """
    database = sqlite_file()
    if database is None or not database.is_file() or database.resolve().parent != Path.cwd().resolve():
        return
    try:
        with closing(sqlite3.connect(database, timeout=_BUSY_SECONDS, isolation_level=None)) as connection:
            left = _rewrite(connection) if any(_absolute(connection)) else set()
    except sqlite3.Error:
        return
    if left:
        print(
            f"{database.name} was made in {', '.join(sorted(left))}: its addresses now point to the files here.",
            file=sys.stderr,
        )


def check_folder() -> None:
    """Refuse to use a store from another folder than the one that its addresses are relative to.

    Raises:
        TrackingError: if so.
    """
    if database := sqlite_file():
        _check_folder(database.resolve(), Path.cwd().resolve())


@cache
def _check_folder(database: Path, here: Path) -> None:
    if database.parent == here or not database.is_file():
        return
    query = f"SELECT 1 FROM experiments WHERE artifact_location LIKE '{FOLDER}/%'"  # noqa: S608
    try:
        with closing(sqlite3.connect(database, timeout=_BUSY_SECONDS)) as connection:
            belongs_there = connection.execute(query).fetchone()
    except sqlite3.Error:
        return
    if belongs_there:
        raise TrackingError(
            f"Expected to run in {database.parent}, the folder of the store that MLFLOW_TRACKING_URI names. "
            f"Received: {here}. Run it there, or unset MLFLOW_TRACKING_URI."
        )


def _rewrite(connection: sqlite3.Connection) -> set[str]:
    """Returns the other folders that were named."""
    here, left = Path.cwd().as_posix(), set()
    # Alone from here on: another process may have been quicker, and then nothing is left to do.
    connection.execute("BEGIN IMMEDIATE")
    for column, address in list(_absolute(connection)):
        path = unquote(urlsplit(address).path) if address.startswith("file:") else address
        root, found, rest = path.rpartition(f"/{FOLDER}/")
        if not found or not (root == here or _belongs_here(column, Path(root), f"{FOLDER}/{rest}")):
            continue
        table, name = column
        # Only names of this module are put into the text.
        connection.execute(f"UPDATE {table} SET {name} = ? WHERE {name} = ?", (f"{FOLDER}/{rest}", address))  # noqa: S608
        if root != here and Path(FOLDER, rest).exists():
            left.add(root)
    connection.execute("COMMIT")
    return left


def _belongs_here(column: tuple[str, str], root: Path, relative: str) -> bool:
    """Whether files are here, or nowhere; new ones never go to the project that this one was copied from."""
    copied = column == _EXPERIMENTS and (root / DATABASE).exists()
    return copied or Path(relative).exists() or not (root / relative).exists()


def _absolute(connection: sqlite3.Connection) -> Iterator[tuple[tuple[str, str], str]]:
    for table, name in COLUMNS:
        query = f"SELECT DISTINCT {name} FROM {table} WHERE {name} LIKE '/%' OR {name} LIKE 'file:%'"  # noqa: S608
        for (address,) in connection.execute(query):
            yield (table, name), address
