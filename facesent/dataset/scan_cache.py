"""What earlier scans measured, so that an unchanged image is not read again.

A file whose size, times and inode are as they were is not opened. One whose content is known, though it was touched,
renamed or checked out anew, is read and hashed but not decoded. A scan gives the same table with any cache and without.
"""

import hashlib
import time
from collections import defaultdict
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

from facesent.core.files import replaced
from facesent.dataset import measure
from facesent.dataset.files import ImageFile, Stamp
from facesent.dataset.measure import Facts
from facesent.images import limits, reading

# A file changed this shortly before it was looked at may change again without a new time (as git's "racy" entries).
_MAY_CHANGE_UNSEEN = 2_000_000_000
_UNSETTLED = Stamp(0, 0, 0, 0)
_LIBRARIES = ("numpy", "opencv-python-headless", "pillow")
_KEY = b"facesent"
_SCHEMA = pa.schema(
    [
        ("file_name", pa.string()),
        # An inode may have its highest bit set.
        ("size", pa.int64()), ("mtime", pa.int64()), ("ctime", pa.int64()), ("inode", pa.uint64()),
        ("width", pa.int64()), ("height", pa.int64()), ("mode", pa.string()), ("format", pa.string()),
        ("bytes", pa.int64()), ("sha256", pa.string()), ("phash", pa.string()), ("phash_mirrored", pa.string()),
        ("brightness", pa.float64()), ("contrast", pa.float64()), ("sharpness", pa.float64()),
        ("ok", pa.bool_()), ("reason", pa.string()),
    ]
)  # fmt: skip


class ScanCache:
    """Rows of usable images by file name and by content; what cannot be used is measured each time."""

    def __init__(self) -> None:
        self.settled_before = time.time_ns() - _MAY_CHANGE_UNSEEN
        """Files that were changed later, in nanoseconds since the epoch, are read again by the next scan."""
        self._files: dict[str, tuple[Stamp, str]] = {}
        self._contents: dict[str, Facts] = {}
        self._lengths: defaultdict[int, list[str]] = defaultdict(list)
        self.unchanged = 0
        """Images of the last scan that were not decoded."""

    @classmethod
    def read(cls, path: Path) -> "ScanCache":
        """What `write` put into a file; empty where there is none, it is broken, or other code or libraries made it."""
        cache = cls()
        try:
            table = parquet.read_table(path)
            if (table.schema.metadata or {}).get(_KEY) == _version():
                cache._fill(*_rows(table))
        except (OSError, ValueError, KeyError, TypeError, pa.ArrowException):
            return cls()
        return cache

    def write(self, path: Path) -> None:
        """Replace the file; a kill leaves the old one or the new one."""
        with replaced(path) as draft:
            parquet.write_table(self._table(), draft)

    def forget_over(self, max_pixels: int) -> None:
        """Drop the rows of images that have more pixels."""
        kept = {name: row for name, row in self._contents.items() if (row.width or 0) * (row.height or 0) <= max_pixels}
        self._fill({name: entry for name, entry in self._files.items() if entry[1] in kept}, kept)

    def row(self, file: ImageFile) -> Facts | None:
        """The row of a file that is as it was; None if that cannot be told without reading it."""
        stamp, content = self._files.get(file.name, (None, ""))
        return self._contents[content] if stamp is not None and stamp == file.stamp else None

    def candidates(self, file: ImageFile) -> Sequence[str]:
        """The known contents, as SHA-256, that are as long as the file."""
        return self._lengths.get(file.stamp.size, ()) if file.stamp else ()

    def facts(self, content: str | None) -> Facts:
        """The row of a known content."""
        return self._contents[str(content)]

    def update(self, files: Sequence[ImageFile], rows: Sequence[Facts]) -> None:
        """Take a scan's rows in the place of what was known before."""
        usable = [(file, row) for file, row in zip(files, rows, strict=True) if file.stamp and row.sha256 and row.ok]
        self.unchanged = sum(row is self._contents.get(str(row.sha256)) for _, row in usable)
        self._fill(
            {file.name: (self._settled(file.stamp), str(row.sha256)) for file, row in usable if file.stamp},
            {str(row.sha256): row for _, row in usable},
        )

    def _fill(self, files: dict[str, tuple[Stamp, str]], contents: dict[str, Facts]) -> None:
        self._files, self._contents = files, contents
        self._lengths.clear()
        for content, row in contents.items():
            self._lengths[row.bytes or 0].append(content)

    def _settled(self, stamp: Stamp) -> Stamp:
        return stamp if max(stamp.mtime, stamp.ctime) < self.settled_before else _UNSETTLED

    def _table(self) -> pa.Table:
        stamps, contents = zip(*self._files.values(), strict=True) if self._files else ((), ())
        rows = [self._contents[content] for content in contents]
        values = [list(self._files), *_columns(stamps, Stamp), *_columns(rows, Facts)]
        return pa.Table.from_arrays(
            [pa.array(column, field.type) for column, field in zip(values, _SCHEMA, strict=True)],
            schema=_SCHEMA.with_metadata({_KEY: _version()}),
        )


def _columns(rows: Sequence[tuple[object, ...]], kind: type[Stamp] | type[Facts]) -> list[list[object]]:
    return [[row[index] for row in rows] for index in range(len(kind._fields))]


def _rows(table: pa.Table) -> tuple[dict[str, tuple[Stamp, str]], dict[str, Facts]]:
    names, *columns = (table.column(name).to_pylist() for name in _SCHEMA.names)
    width = len(Stamp._fields)
    stamps = map(Stamp._make, zip(*columns[:width], strict=True))
    rows = [Facts._make(row) for row in zip(*columns[width:], strict=True)]
    contents = [str(row.sha256) for row in rows]
    files = zip(stamps, contents, strict=True)
    return dict(zip(names, files, strict=True)), dict(zip(contents, rows, strict=True))


def _version() -> bytes:
    """All that decides about a row beside the file's content."""
    sources = [
        hashlib.sha256(Path(file).read_bytes()).hexdigest()
        for file in (measure.__file__, reading.__file__, limits.__file__)
    ]
    libraries = [f"{name} {version(name)}" for name in _LIBRARIES]
    return repr((sources, libraries)).encode()
