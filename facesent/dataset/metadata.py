"""``metadata.csv`` as people's programs write it, and which images its rows name."""

import csv
import io
import json
import os
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from unicodedata import normalize

from facesent.core.errors import DataError
from facesent.core.files import replaced
from facesent.core.paths import SPLITS
from facesent.core.text import some

Row = Mapping[str, str]
PROPOSED = "proposed-"
"""What the groups begin with that nobody gave: `facesent data people` found them by the faces."""
SOURCE = "source_sha256"
"""The column of what an image was cut from: the SHA-256 of the whole photo's file."""
SOURCE_PHASH = "source_phash"
"""The column of what that photo looks like: its perceptual hash and then that of its mirror image."""
_WRITTEN = ("file_name", "group", "split")
_HEX_DIGITS = {SOURCE: 64, SOURCE_PHASH: 32}
COLUMNS = (*_WRITTEN, *_HEX_DIGITS)
_DELIMITERS = ",;\t|"
# For a carriage return while a table is taken apart; of Unicode's private ones.
_STAND_IN = "\uf70d"
# What people and their programs take for it.
_NEARLY = re.compile(r"metadata\.(csv(\.\w+)?|tsv|jsonl|xlsx?|ods)", re.IGNORECASE)
# What pandas and databases write for nothing; as groups they would make one person of all whom nobody knows.
_NOTHING = frozenset({"nan", "NaN", "None", "<NA>", "null", "NULL"})
# What may be meant so, and may be a name; in small letters.
_PERHAPS_NOTHING = frozenset({"na", "n/a", "n.a.", "#n/a", "nan", "none", "null", "unknown", "missing", "?", "-", "-1"})
_MANY = 10
_NUMBER = re.compile(r"-?\d+(\.\d+)?")


@dataclass(frozen=True)
class Metadata:
    """The rows of a ``metadata.csv``, their images called as they are on the disk."""

    columns: tuple[str, ...] = _WRITTEN
    rows: tuple[Row, ...] = ()
    """Of images that are there; missing cells are empty."""
    unmatched: tuple[Row, ...] = ()
    """Of images that are not there, as they stand in the file."""
    rowless: tuple[str, ...] = ()
    """Images without a row."""
    verbatim: bool = True
    """Whether every row calls its image as it is called on the disk."""

    def text(self, rows: Sequence[Row]) -> str:
        """``rows`` as a CSV with commas and the columns of this file."""
        return "".join(
            _line(cells) for cells in (self.columns, *([row[name] for name in self.columns] for row in rows))
        )

    def write(self, path: Path, rows: Sequence[Row]) -> None:
        """Write ``rows`` as `text` has them, in one step."""
        with replaced(path) as draft:
            draft.write_text(self.text(rows), encoding="utf-8", newline="")

    def notes(self) -> Iterator[str]:
        """What is not used of it, for people."""
        for group, images in Counter(row.get("group", "") for row in self.rows).items():
            if group.casefold() in _PERHAPS_NOTHING and images >= _MANY:
                yield (
                    f"Warning: {images} images have the group {group} in metadata.csv, which makes them one person. If "
                    "it says that the person is not known, leave these cells empty."
                )
        names = [row["file_name"] for row in self.unmatched]
        if names and self.rowless:
            yield (
                f"Warning: {len(names)} rows of metadata.csv match no image, such as {names[0]}, and "
                f"{len(self.rowless)} images have no row, such as {self.rowless[0]}. If these are the same images, "
                "correct the names: without groups, a person can be in two splits."
            )
        elif names:
            yield f"{len(names)} rows of metadata.csv match no image, such as {names[0]}."
        others = [name for name in self.columns if name not in COLUMNS]
        if others and "group" not in self.columns:
            unused = some(others)
            yield f"metadata.csv has no column group, which keeps each person in one split. Unused columns: {unused}."


def read_metadata(path: Path, images: Collection[str]) -> Metadata:
    """Read a ``metadata.csv``; where there is none, it is as one without rows.

    Args:
        path: in the folder of the class folders.
        images: their names there, as ``<Class>/<image>``.

    Raises:
        DataError: as `parse` and `is_there`; no row names an image, an image has two rows, a split is not train, val or
            test, or a source has no hash's form.
    """
    if not is_there(path):
        return Metadata()
    columns, rows = parse(path)
    known = _Names(path.parent, images)
    named = [(known.find(row["file_name"]), row) for row in rows]
    matched = tuple({**row, "file_name": name} for name, row in named if name)
    unmatched = tuple(row for name, row in named if not name)
    if rows and not matched:
        raise DataError(
            f"Expected names such as {next(iter(images), '<Class>/<image>')} in {path}. "
            f"Received: {some(row['file_name'] for row in rows)}. No row names an image."
        )
    _check(matched + unmatched, path)
    found = {row["file_name"] for row in matched}
    rowless = tuple(sorted(set(images) - found))
    return Metadata(columns, matched, unmatched, rowless, all(name in (None, row["file_name"]) for name, row in named))


def is_there(path: Path) -> bool:
    """Whether there is a ``metadata.csv``.

    Raises:
        DataError: there is something else of nearly that name, as without its groups people would be in two splits.
    """
    if path.is_file():
        return True
    if nearly := sorted(other for other in path.parent.glob("*") if _NEARLY.fullmatch(other.name)):
        received = f"{nearly[0].name}, a folder" if nearly[0].is_dir() else nearly[0].name
        raise DataError(
            f"Expected what is known of the images in {path}, a file. Received: {received}. Save it there as CSV "
            "UTF-8, or move it elsewhere."
        )
    return False


def parse(path: Path) -> tuple[tuple[str, ...], list[Row]]:
    """The columns and the rows of a CSV that has a column ``file_name``.

    It is taken with commas, semicolons, tabs or bars, in UTF-8 or UTF-16, as Excel in any language saves it; the known
    columns in capitals or not. Empty rows and columns without a name are left out, spaces around names and groups too.
    Of groups that are numbers, ``12.0`` is ``12`` where both forms occur.

    Raises:
        DataError: naming the file and what is wrong with it.
    """
    first, *lines = read_cells(path)
    header = [_column(cell) for cell in first]
    columns = tuple(name for name in header if name)
    if "file_name" not in columns:
        raise DataError(
            f"Expected a CSV with a column file_name in {path}. Received: {', '.join(columns) or 'an empty file'}. "
            "The first row must name the columns: file_name, and optionally group and split."
        )
    if len(set(columns)) < len(columns):
        raise DataError(f"Expected each column once in {path}. Received: {', '.join(columns)}.")
    rows: list[Row] = []
    for number, cells in enumerate(lines, 2):
        if not any(cell.strip() for cell in cells):
            continue
        if any(cell.strip() for cell in cells[len(header) :]):
            raise DataError(
                f"Expected {len(header)} cells in row {number} of {path}. Received: {len(cells)}, {some(cells)}. "
                "Put a name that contains the separator in double quotes."
            )
        row = dict.fromkeys(columns, "") | {name: cell for name, cell in zip(header, cells, strict=False) if name}
        rows.append(row | {name: _clean(row[name]) for name in COLUMNS[1:] if name in row})
        if not row["file_name"].strip():
            raise DataError(f"Expected a file_name in each row of {path}. Received: row {number} without one.")
    return columns, _with_whole_numbers(rows)


def _with_whole_numbers(rows: list[Row]) -> list[Row]:
    """``12.0`` as ``12`` where the groups are numbers and some are written so: pandas adds the point to a column."""
    groups = {row.get("group", "") for row in rows} - {""}
    if not all(map(_NUMBER.fullmatch, groups)) or len({group.endswith(".0") for group in groups}) < 2:
        return rows
    return [{**row, "group": row["group"].removesuffix(".0")} for row in rows]


class _Names:
    """Images by the names that people give them."""

    def __init__(self, folder: Path, images: Collection[str]) -> None:
        self._images = frozenset(images)
        # macOS and some archives keep an accent as a character of its own.
        self._composed = {normalize("NFC", name): name for name in sorted(images)}
        self._roots = {folder.absolute(), folder.resolve()}

    def find(self, listed: str) -> str | None:
        """The image that is called so exactly, or by a path that leads to it from the folder or from the one above."""
        if listed in self._images:
            return listed
        path = normalize("NFC", listed.strip().replace("\\", "/"))
        for root in self._roots:
            for start in (root, root.parent):
                name = os.path.relpath(start / path, root)
                if found := self._composed.get(normalize("NFC", name)):
                    return found
        return None


def _line(cells: Iterable[str]) -> str:
    stream = io.StringIO(newline="")
    # A carriage return in a name is put between quotes only by a writer that ends its lines with one.
    csv.writer(stream, lineterminator="\r\n").writerow(cells)
    return stream.getvalue().removesuffix("\r\n") + "\n"


def read_cells(path: Path) -> list[list[str]]:
    """The rows of a CSV that people have had in hand, the header included; a file without any has one empty row.

    Raises:
        DataError: naming the file: in no encoding that is known, or with a quote that is not closed.
    """
    try:
        return cells_of(path.read_bytes())
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(
            f"Expected a CSV in UTF-8 or UTF-16 in {path}. Received: {error}. Save it as CSV UTF-8."
        ) from None


def cells_of(content: bytes) -> list[list[str]]:
    """The same of the file's content.

    Raises:
        ValueError, csv.Error: it is none.
    """
    text = content.decode(json.detect_encoding(content)).removeprefix("\ufeff")
    first, _, others = text.partition("\n")
    if first.lower().startswith("sep="):
        # Excel's own way to say what separates.
        first, text = others.partition("\n")[0], others
    delimiter = max(_DELIMITERS, key=first.count)
    # Where lines end with a line feed, a carriage return is a part of a name, which few writers put between quotes.
    is_letter = "\n" in text and "\r\n" not in text
    text = text.replace("\r", _STAND_IN) if is_letter else text
    # Strict: a quote that nobody closes would swallow all rows behind it.
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    return [[cell.replace(_STAND_IN, "\r") for cell in row] if is_letter else row for row in rows] or [[]]


def _column(cell: str) -> str:
    name = cell.strip()
    return name.lower() if name.lower() in COLUMNS else name


def _clean(cell: str) -> str:
    text = normalize("NFC", cell.strip())
    return "" if text in _NOTHING else text


def _check(rows: Sequence[Row], path: Path) -> None:
    names = [row["file_name"] for row in rows]
    if repeated := [name for name, times in Counter(names).items() if times > 1]:
        raise DataError(f"Expected each image once in {path}. Received twice or more: {some(repeated)}")
    if wrong := [row for row in rows if row.get("split") not in (None, "", *SPLITS)]:
        examples = some(f"{row['split']} ({row['file_name']})" for row in wrong)
        raise DataError(f"Expected train, val, test or nothing as split in {path}. Received: {examples}")
    for column, digits in _HEX_DIGITS.items():
        known = re.compile(f"([0-9a-f]{{{digits}}})?")
        if wrong := [row for row in rows if not known.fullmatch(row.get(column, ""))]:
            examples = some(f"{row[column]} ({row['file_name']})" for row in wrong)
            raise DataError(
                f"Expected {digits} hex digits in small letters or nothing as {column} in {path}. Received: {examples}"
            )
