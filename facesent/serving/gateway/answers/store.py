"""The database of the log: opened with its tables as this code knows them, and cleared of what is too old."""

import logging
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, ColumnElement, Connection, Engine, create_engine, delete, event, make_url, select, text
from sqlalchemy.exc import ArgumentError, DatabaseError, NoSuchModuleError
from sqlalchemy.pool import NullPool

from .tables import answers, corrections

ADDRESS_VARIABLE = "FACESENT_ANSWERS_URI"
DEFAULT_ADDRESS = "sqlite:///answers.db"
FOLDER = Path("answers")
"""Beside the database: photos, if they are kept, and keys."""
PHOTOS = "photos"
WATCHED = "watched.json"
"""What the last look at the log found."""

_MIGRATIONS = Path(__file__).with_name("migrations")
_VERSION_TABLE = "facesent_answers_version"
_BUSY_SECONDS = 10
_CONNECT_SECONDS = 5
# Of libpq. Without them a connection to a machine that is gone is waited for a quarter of an hour.
_PATIENCE = {
    "connect_timeout": _CONNECT_SECONDS,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
# Any number that no other program takes: one migrates, others wait.
_LOCK = 6_021_402


class AnswersError(Exception):
    """The log cannot be used as it is; the message says what to do."""


def address() -> str:
    """Where the log is: as the environment says, else in this folder."""
    return os.environ.get(ADDRESS_VARIABLE) or DEFAULT_ADDRESS


class Store:
    """An opened log.

    Args:
        uri: SQLAlchemy's, of SQLite or PostgreSQL.
        folder: beside it, for photos and keys; made where something is put into it.

    Raises:
        AnswersError: the address is wrong, or a newer facesent wrote there.
        DatabaseError: SQLAlchemy's: it cannot be reached, or is broken.
    """

    def __init__(self, uri: str, folder: Path = FOLDER) -> None:
        self.folder = folder
        self._engine = _engine(uri)
        with self.writing() as connection:
            _migrate(connection)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection to look with."""
        with self._engine.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction: all of it, or nothing."""
        with self._engine.execution_options(writes=True).begin() as connection:
            yield connection

    def close(self) -> None:
        """Close its connections."""
        self._engine.dispose()

    def forget_older(self, keep_days: float) -> int:
        """Delete answers older than that with their corrections and photos; how many answers."""
        before = datetime.now(UTC) - timedelta(days=keep_days)
        gone = self.forget(answers.c.time < before)
        # By their own age: a kill may have left one without its row.
        for photo in (self.folder / PHOTOS).glob("*"):
            # Another process may be at it too, and what cannot be removed now is tried again in an hour.
            with suppress(OSError):
                if photo.stat().st_mtime < before.timestamp():
                    photo.unlink()
        return gone

    def forget(self, which: ColumnElement[bool]) -> int:
        """Delete answers with their corrections and photos; how many answers."""
        old = select(answers.c.id).where(which)
        with self.writing() as connection:
            # First: whoever comes after a kill finds them by their rows.
            for photo in connection.scalars(select(answers.c.photo).where(which, answers.c.photo.is_not(None))):
                (self.folder / photo).unlink(missing_ok=True)
            connection.execute(delete(corrections).where(corrections.c.answer_id.in_(old)))
            gone = connection.execute(delete(answers).where(which)).rowcount
        if gone and self._engine.dialect.name == "sqlite":
            # The log that goes before the file holds old pages; `secure_delete` empties those of the file.
            with closing(self._engine.raw_connection()) as raw:
                raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return gone


def _engine(uri: str) -> Engine:
    try:
        url = _url(uri)
        if url.get_backend_name() == "sqlite":
            return _sqlite(url)
        if url.get_backend_name() == "postgresql":
            # SQLAlchemy's own choice without a driver's name is psycopg2.
            return create_engine(
                url.set(drivername="postgresql+psycopg"),
                pool_pre_ping=True,
                connect_args=_PATIENCE,
            )
    except (ArgumentError, NoSuchModuleError, ValueError):
        raise AnswersError(
            f"Expected an address such as postgresql://user@host/database in {ADDRESS_VARIABLE}. "
            "Received: an invalid one."
        ) from None
    except ModuleNotFoundError:
        raise AnswersError(
            "Expected the package psycopg for PostgreSQL. Received: none. Run: pip install -e '.[postgres]'"
        ) from None
    raise AnswersError(f"Expected sqlite or postgresql in {ADDRESS_VARIABLE}. Received: {url.get_backend_name()}.")


def _url(uri: str) -> URL:
    url = make_url(uri)
    if url.password and "@" in f"{url.host}/{url.database}":
        # The password has it, not encoded, and errors would show its end as the host.
        raise ValueError("@")
    return url


def _sqlite(url: URL) -> Engine:
    if not url.database or url.database == ":memory:" or url.database.startswith("file:"):
        raise AnswersError(f"Expected sqlite:/// and the path of a file in {ADDRESS_VARIABLE}. Received: no path.")
    # Readable by nobody else from its first byte on; SQLite gives its other files the mode of this one.
    os.close(os.open(url.database, os.O_RDWR | os.O_CREAT, 0o600))
    Path(url.database).chmod(0o600)
    # A connection for each turn: a file that was removed is found missing, not written to on.
    engine = create_engine(url, poolclass=NullPool, connect_args={"timeout": _BUSY_SECONDS})

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _: object) -> None:
        # Transactions begin below, not where the driver guesses.
        connection.isolation_level = None
        for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "secure_delete = ON", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _migrate(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes.update(connection=connection, version_table=_VERSION_TABLE)
    known = ScriptDirectory.from_config(config)
    found = MigrationContext.configure(connection, opts={"version_table": _VERSION_TABLE}).get_current_revision()
    head = known.get_current_head()
    if found == head:
        return
    if found and found not in {script.revision for script in known.walk_revisions()}:
        raise AnswersError(
            f"Expected schema {head} or older of the log of answers. Received: {found}, of a newer facesent. Update "
            f"facesent, or name another database: {ADDRESS_VARIABLE}"
        )
    logging.getLogger("alembic").setLevel(logging.WARNING)
    command.upgrade(config, "head")


def reason(error: DatabaseError) -> str:
    """Why a database failed, in one line and without the row that it was given."""
    return str(error.orig).strip().partition("\n")[0]
