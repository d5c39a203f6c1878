"""MLflow's store and the log of answers, copied to other databases: all of it, or nothing."""

import re
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection, Table, create_engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from facesent.core.console import Progress
from facesent.core.errors import FacesentError
from facesent.core.files import replaced
from facesent.registry import schema
from facesent.registry.addresses import COLUMNS, sqlite_file
from facesent.serving.gateway.answers.store import AnswersError, Store
from facesent.serving.gateway.answers.tables import metadata as answers_tables
from facesent.stores.addresses import ANSWERS, Addresses, shown
from facesent.stores.rows import Change, Row, copy_rows, count, reflected

_CONNECT_SECONDS = 5
# Where the files of a run are: below this folder, or behind a server that hands them out.
_FILES = re.compile(r"(?:(?:file:)?/.*/|^)mlruns/|mlflow-artifacts:/+")

_Pairs = list[tuple[Table, Table]]


class CopyingError(FacesentError):
    """A database does not answer, or is not one that takes what is to be copied."""


def copy(source: Addresses, target: Addresses, progress: Progress, *, artifacts: str | None = None) -> int:
    """Copy all rows; how many.

    Files of SQLite are made aside and then renamed; in PostgreSQL all of it is one transaction. Nobody else writes to a
    source of SQLite meanwhile, and of a source of PostgreSQL one moment is copied.

    Args:
        source: what is copied.
        target: has an address for each of them, and nothing in it.
        progress: hears of the rows.
        artifacts: where the files under ``mlruns/`` will be; None leaves their addresses as they are.

    Raises:
        FacesentError: why nothing was copied.
    """
    with _told(), _opened(source, target) as opened:
        total = sum(count(one.source, old) for one in opened for old, _ in one.tables)
        done = 0
        for one in opened:
            progressed = _further(progress, done, total)
            done += copy_rows(one.source, one.target, one.tables, _moved_to(artifacts), progressed)
        return done


def check_takes(source: Addresses, target: Addresses) -> None:
    """Refuse databases in servers that ``copy`` would refuse.

    Args:
        source: what is to be copied.
        target: has an address in a server for each of them.

    Raises:
        FacesentError: one does not answer, has other tables, or is not empty.
    """
    with _told(), _opened(source, target):
        pass


@dataclass(frozen=True)
class _Opened:
    """A database and the one that it is copied to, with each table in both."""

    source: Connection
    target: Connection
    tables: _Pairs


@contextmanager
def _opened(source: Addresses, target: Addresses) -> Iterator[list[_Opened]]:
    with ExitStack() as stack:
        # They end from the last to the first: transactions before files get their names.
        places = {what: stack.enter_context(_aside(target[what])) for what in source}
        for what, place in places.items():
            _make_tables(what, source[what], place)
        sources = {what: stack.enter_context(_reading(address)) for what, address in source.items()}
        targets = {place: stack.enter_context(_writing(place)) for place in set(places.values())}
        pairs = {what: (sources[what], targets[place]) for what, place in places.items()}
        yield [_Opened(old, new, _tables(what, old, new, target[what])) for what, (old, new) in pairs.items()]


def _further(progress: Progress, before: int, total: int) -> Progress:
    return lambda done, _: progress(before + done, total)


@contextmanager
def _aside(address: str) -> Iterator[str]:
    """Where the copy is written."""
    file = sqlite_file(address)
    if file is None:
        yield address
        return
    if file.exists():
        raise CopyingError(f"Expected no {file} yet. Received: one, which is not overwritten. Remove or rename it.")
    with replaced(file) as draft:
        yield f"sqlite:///{draft}"


@contextmanager
def _reading(address: str) -> Iterator[Connection]:
    with _connection(address) as connection:
        if sqlite_file(address):
            # Others may look, and wait with their writes.
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        yield connection
        connection.rollback()


@contextmanager
def _writing(address: str) -> Iterator[Connection]:
    with _connection(address) as connection:
        yield connection
        connection.commit()


@contextmanager
def _connection(address: str) -> Iterator[Connection]:
    """One that sees the database as it was at its first question."""
    options = (
        {}
        if sqlite_file(address)
        else {"connect_args": {"connect_timeout": _CONNECT_SECONDS}, "isolation_level": "REPEATABLE READ"}
    )
    try:
        connection = create_engine(address, poolclass=NullPool, **options).connect()
    except SQLAlchemyError as error:
        raise CopyingError(f"Expected {shown(address)} to answer. Received: {_said(error)}.") from None
    with closing(connection):
        yield connection


def _make_tables(what: str, source: str, target: str) -> None:
    """Those of the program itself; a database that has some already is looked at later."""
    if what == ANSWERS:
        for each in (source, target):
            try:
                Store(each).close()
            except AnswersError as error:
                raise CopyingError(str(error)) from None
        return
    with _connection(target) as connection:
        empty = schema.revision(connection) is None
    if empty:
        schema.make_tables(target)


def _tables(what: str, source: Connection, target: Connection, address: str) -> _Pairs:
    """Of both databases, in an order that foreign keys allow; those of the target are empty."""
    if what == ANSWERS:
        pairs = [(table, table) for table in answers_tables.sorted_tables]
    else:
        schema.check_same(source, target)
        names = schema.table_names()
        old, new = reflected(source, names), reflected(target, names)
        schema.clear_new(target, new)
        pairs = [(old.tables[table.name], table) for table in new.sorted_tables]
    if full := [new.name for _, new in pairs if count(target, new)]:
        raise CopyingError(
            f"Expected {shown(address)} without rows. Received: some in {', '.join(full)}. Name an empty one."
        )
    return pairs


def _moved_to(artifacts: str | None) -> Change:
    """Let addresses of files begin with ``artifacts``."""
    columns: dict[str, list[str]] = {}
    for table, column in COLUMNS if artifacts else ():
        columns.setdefault(table, []).append(column)

    def change(table: str, row: Row) -> Row:
        return row | {name: _moved(row[name], artifacts or "") for name in columns.get(table, ())}

    return change


def _moved(address: str | None, artifacts: str) -> str | None:
    found = address and _FILES.match(address)
    return f"{artifacts.rstrip('/')}/{address[found.end() :]}" if address and found else address


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        raise CopyingError(f"Expected the databases to answer. Received: {_said(error)}. Nothing was copied.") from None


def _said(error: SQLAlchemyError) -> str:
    """In one line, without the statement and its rows."""
    return " ".join(str(getattr(error, "orig", None) or error).split()).rstrip(".")
