"""Rows of one database in another, in the transactions of the caller."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    ColumnElement,
    Connection,
    Insert,
    MetaData,
    Table,
    Text,
    bindparam,
    cast,
    func,
    insert,
    select,
    text,
    type_coerce,
)
from sqlalchemy.exc import SQLAlchemyError

from facesent.core.console import Progress
from facesent.core.errors import FacesentError

Row = dict[str, Any]
Change = Callable[[str, Row], Row]
"""What becomes of a row of a table, which is named first."""

_BATCH = 1000
# SQLAlchemy keeps the names of the columns to itself.
_PREFIX = "new_"


class CopyError(FacesentError):
    """A row does not fit, or the copy is not whole; the target's transaction is not to be committed."""


def reflected(connection: Connection, names: Iterable[str]) -> MetaData:
    """Tables as a database has them: its own types, so that nothing is decrypted or decoded on the way."""
    metadata = MetaData()
    metadata.reflect(connection, only=[*names])
    return metadata


def copy_rows(
    source: Connection, target: Connection, tables: Sequence[tuple[Table, Table]], change: Change, progress: Progress
) -> int:
    """Copy all rows into empty tables, and compare the counts; how many rows.

    Args:
        source: what is copied, which nobody changes meanwhile.
        target: where to.
        tables: those of the source and of the target; each after those that it refers to.
        change: is given each row.
        progress: hears of it.

    Raises:
        CopyError: the target refuses a row, or has another number of them in the end.
    """
    counts = {table.name: count(source, table) for table, _ in tables}
    done, total = 0, sum(counts.values())
    for old, new in tables:
        into = _insertion(target, new)
        try:
            for batch in _batches(source, old):
                target.execute(into, [_named(change(new.name, row)) for row in batch])
                done += len(batch)
                progress(done, total)
        except SQLAlchemyError as error:
            raise CopyError(_refused(new.name, error)) from None
        if (found := count(target, new)) != counts[old.name]:
            raise CopyError(f"Expected {counts[old.name]} rows in {new.name}. Received: {found}. Nothing was copied.")
        _reset_sequence(target, new)
    return total


def count(connection: Connection, table: Table) -> int:
    """How many rows a table has."""
    return connection.scalar(select(func.count()).select_from(table)) or 0


def _batches(source: Connection, table: Table) -> Iterator[list[Row]]:
    # JSON as its text: null in it is not the same as no value.
    columns = [cast(each, Text).label(each.name) if isinstance(each.type, JSON) else each for each in table.columns]
    found = source.execute(select(*columns), execution_options={"yield_per": _BATCH})
    for batch in found.mappings().partitions():
        yield [dict(row) for row in batch]


def _named(row: Row) -> Row:
    return {_PREFIX + name: value for name, value in row.items()}


def _insertion(target: Connection, table: Table) -> Insert:
    return insert(table).values({each.name: _value(target, each) for each in table.columns})


def _value(target: Connection, column: Column[Any]) -> ColumnElement[Any]:
    if not isinstance(column.type, JSON):
        return bindparam(_PREFIX + column.name, type_=column.type)
    written = bindparam(_PREFIX + column.name, type_=Text)
    # SQLite keeps the text, and would take a cast for one to a number.
    return type_coerce(written, Text) if target.dialect.name == "sqlite" else cast(written, column.type)


def _reset_sequence(target: Connection, table: Table) -> None:
    """Let the next row of PostgreSQL's own numbering come after those that were copied."""
    column = table.autoincrement_column
    if column is None or target.dialect.name != "postgresql":
        return
    found = target.scalar(
        text("SELECT pg_get_serial_sequence(:table, :column)"), {"table": table.name, "column": column.name}
    )
    if found:
        following = (target.scalar(select(func.max(column))) or 0) + 1
        target.execute(text("SELECT setval(:name, :following, false)"), {"name": found, "following": max(following, 1)})


def _refused(table: str, error: SQLAlchemyError) -> str:
    said = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
    return f"Expected each row of {table} to be taken. Received: {said}. Nothing was copied."
