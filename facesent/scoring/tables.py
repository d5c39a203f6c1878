"""Answers as a table: one row a photo, in Parquet or CSV."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from facesent.asking.answers import Answer
from facesent.core.files import replaced
from facesent.core.text import printable
from facesent.images.reading import ImageError
from facesent.scoring.answers import Row

FORMATS = (".parquet", ".csv")
COMPRESSION = "zstd"
Rows = Sequence[Row]


def schema(labels: Sequence[str]) -> "pa.Schema":
    """The columns; a photo that could not be read has ``path``, ``version`` and ``error`` alone."""
    probabilities = pa.struct([(label, pa.float32()) for label in labels])
    box = pa.struct([(side, pa.int32()) for side in ("left", "top", "width", "height")])
    return pa.schema(
        [
            ("path", pa.string()), ("label", pa.string()), ("confidence", pa.float32()),
            ("probabilities", probabilities), ("box", box), ("version", pa.int32()), ("error", pa.string()),
        ]
    )  # fmt: skip


def table(rows: Rows, labels: Sequence[str], version: int) -> "pa.Table":
    """The answers of a version with these labels."""
    return pa.Table.from_pylist([_row(*row, version) for row in rows], schema(labels))


@contextmanager
def written(path: Path, labels: Sequence[str], version: int) -> Iterator[Callable[[Rows], None]]:
    """Write a table piece by piece, whole or not at all.

    Args:
        path: ends in one of ``FORMATS``. In CSV, probabilities and box are columns such as ``probabilities.Happy``.
        labels: of the version.
        version: that answers.

    Yields:
        what takes the next rows.
    """
    columns = schema(labels)
    with replaced(path) as draft:
        if path.suffix == ".csv":
            flat = columns.empty_table().flatten().schema
            with pa_csv.CSVWriter(draft, flat) as csv:
                yield lambda rows: csv.write(table(rows, labels, version).flatten())
        else:
            with pq.ParquetWriter(draft, columns, compression=COMPRESSION) as parquet:
                yield lambda rows: parquet.write_table(table(rows, labels, version))


def write_parquet(rows: Rows, labels: Sequence[str], version: int, path: Path, notes: Mapping[str, str]) -> None:
    """Write a whole table with notes in its footer, where they can be read without the rows."""
    whole = table(rows, labels, version).replace_schema_metadata(dict(notes))
    with replaced(path) as draft:
        pq.write_table(whole, draft, compression=COMPRESSION)


def _row(name: str, answer: Answer | ImageError, version: int) -> dict[str, Any]:
    row: dict[str, Any] = {"path": printable(name), "version": version}
    if isinstance(answer, ImageError):
        return {**row, "error": printable(str(answer))}
    return {**row, **answer.as_dict()}
