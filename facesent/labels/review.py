"""The files of a label review: the queue in which a person decides, and the record of what was applied."""

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from facesent.core.errors import DataError
from facesent.core.files import replaced
from facesent.core.text import cell, cell_text
from facesent.dataset.metadata import read_cells

KEEP, DROP = "keep", "drop"
# A queue with this column has one row a content, wherever it stands.
PLACES = "places"
QUEUE_COLUMNS = ("number", "file_name", "given", "suggested", "confidence", "self_confidence", "decision", "sha256")


class Decision(NamedTuple):
    """What a person decided about one image."""

    row: int
    """Line in the file; the header is line 1."""
    file_name: str
    """As it stands in the file: not to be trusted."""
    sha256: str
    """Of the content that the person saw."""
    choice: str
    """``KEEP``, ``DROP`` or a class."""
    everywhere: bool = False
    """Whether it is about each image of that content, as a queue of conflicts is."""


class Applied(NamedTuple):
    """A decision that was applied, and the image's name since: empty where it was dropped."""

    file_name: str
    sha256: str
    decision: str
    new_name: str


def record_of(queue: Path) -> Path:
    """The record of what was applied of ``queue``: beside it."""
    return queue.with_name("applied.csv")


def read_decisions(queue: Path) -> list[Decision]:
    """The rows of ``queue`` whose decision is not empty, in their order.

    Raises:
        DataError: no such file, not a CSV in UTF-8, or without the columns file_name, sha256 and decision.
    """
    return [
        Decision(row, values["file_name"], values["sha256"].strip(), _choice(values["decision"]), PLACES in values)
        for row, values in _read(queue, ("file_name", "sha256", "decision"))
        if values["decision"].strip()
    ]


def read_record(record: Path) -> list[Applied]:
    """What ``record`` holds; nothing where there is none.

    Raises:
        DataError: not such a CSV.
    """
    if not record.exists():
        return []
    return [Applied(*(values[column] for column in Applied._fields)) for _, values in _read(record, Applied._fields)]


def was_applied(decision: Decision, applied: Iterable[Applied]) -> bool:
    """Whether the record holds the decision; of a content, wherever it stood."""
    rows = [row for row in applied if (row.sha256, row.decision) == (decision.sha256, decision.choice)]
    return bool(rows) and (decision.everywhere or decision.file_name in [row.file_name for row in rows])


@contextmanager
def recorded(record: Path, applied: Sequence[Applied], changed: Callable[[], bool]) -> Iterator[None]:
    """Add ``applied`` to ``record``, and take it out again if what follows fails before the images have changed.

    Written first, so that a kill after the images have changed leaves no decision that looks open. The bytes depend on
    the rows alone: no times, sorted by name.

    Args:
        record: is made where there is none.
        applied: what is to be done in the block.
        changed: whether the images are no longer as they were; asked where the block fails.
    """
    before = record.read_bytes() if record.exists() else None
    rows = {(row.file_name, row.sha256): row for row in (*read_record(record), *applied)}
    if rows:
        write_table(record, Applied._fields, [row for _, row in sorted(rows.items())])
    try:
        yield
    except BaseException:
        if changed():
            raise
        if before is None:
            record.unlink(missing_ok=True)
        else:
            # In place: on a full disk there may be no room for a second file.
            record.write_bytes(before)
        raise


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV in one step: a kill leaves the old file or the new one."""
    with replaced(path) as draft, draft.open("w", encoding="utf-8", newline="") as lines:
        writer = csv.writer(lines, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([cell(value) if isinstance(value, str) else value for value in row] for row in rows)


def _choice(cell: str) -> str:
    # Spreadsheets like to begin a cell with a capital.
    choice = cell.strip()
    return choice.lower() if choice.lower() in (KEEP, DROP) else choice


def _read(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Row in the file, counted from the header, and cells; cells that a short row lacks are empty."""
    if not path.exists():
        raise DataError(
            f"Expected a queue of images in {path}. Received: no such file. `facesent data label-issues` writes one."
        )
    header, *rows = read_cells(path)
    if set(columns) - set(header):
        raise DataError(
            f"Expected the columns {', '.join(columns)} in {path}. Received: {', '.join(header) or 'an empty file'}"
        )
    for number, cells in enumerate(rows, 2):
        if cells:
            yield number, dict.fromkeys(header, "") | dict(zip(header, map(cell_text, cells), strict=False))
