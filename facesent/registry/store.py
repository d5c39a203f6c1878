"""MLflow's database where it is a file: it is made whole or not at all."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from facesent.core.errors import TrackingError
from facesent.core.files import locked, replaced
from facesent.core.trouble import Trouble
from facesent.registry.addresses import sqlite_file

# Another process makes its tables in seconds.
_MOST_SECONDS = 120


def file_troubles() -> Iterator[Trouble]:
    """Why nobody can read the database: MLflow would try for two minutes."""
    database = sqlite_file()
    if database is None or not (database.exists() or database.is_symlink()):
        return
    if not database.exists():
        advice = "Put the file back there, or remove the link"
        yield Trouble("MLflow", f"expected a database. Received: {database}, a link that leads nowhere", advice)
    elif database.is_dir():
        advice = "Move it away: a container makes it where it is to mount a file that is not there"
        yield Trouble("MLflow", f"expected a database. Received: {database}, a folder", advice)
    elif not os.access(database, os.R_OK):
        advice = "Give yourself permission to read and write it"
        yield Trouble("MLflow", f"expected a database. Received: {database}, which you may not read", advice)


def create_store() -> None:
    """Make the database where there is none yet.

    MLflow makes its tables one by one, and cannot go on where a kill or a full disk ended that.

    Raises:
        TrackingError: if another process keeps it from being made for minutes.
    """
    database = sqlite_file()
    if database is None or database.exists() or not database.parent.is_dir():
        return
    busy = TrackingError(
        f"Expected to make {database}. Received: for {_MOST_SECONDS} s another process has held {database}.lock. "
        "Wait until it has ended, or end it."
    )
    with locked(Path(f"{database}.lock"), busy, seconds=_MOST_SECONDS):
        if not database.exists():
            _make(database)


def load() -> None:
    """Import what MLflow imports when a database is first asked, in a thread beside other work: it takes a second."""
    import mlflow.store.model_registry.sqlalchemy_store
    import mlflow.store.tracking.sqlalchemy_store  # noqa: F401


def _make(database: Path) -> None:
    from facesent.registry.schema import make_tables

    with TemporaryDirectory() as folder:
        made = Path(folder) / database.name
        make_tables(f"sqlite:///{made}")
        # That took a second, in which `mlflow server` may have begun, which knows no lock.
        if not database.exists():
            with replaced(database) as draft:
                shutil.copyfile(made, draft)
