"""The files of a project: which show photos, which tables name them, and which are the photos themselves."""

import csv
import hashlib
import os
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path, PurePosixPath

import pandas as pd

from facesent.core.files import replaced, sha256
from facesent.core.scratch import shared_temporary_folder
from facesent.dataset.files import METADATA, is_image_name, leaves
from facesent.dataset.metadata import cells_of
from facesent.forgetting.person import Person

_CHARTS = ("confusion_matrix", "confusion_matrix_normalised", "curves", "reliability", "history", "importance")
_PAGES = {".html", ".svg", ".pdf"}
# The report's values, photos included.
_REPORT = "report.json"
_TABLES = {".csv", ".parquet"}
_TEMPORARY = "facesent-*"
_KEYS = {"sha256", "file_name"}
_ABOUT = [*sorted(_KEYS), "group"]
# Which rows of a table, as `about` gives it, are chosen.
Chooser = Callable[[pd.DataFrame], "pd.Series[bool]"]
# Git's objects are compressed, and images are never among them.
_SKIPPED = {".git", ".venv", "node_modules"}


def is_no_picture(path: str) -> bool:
    """Whether a file that this project writes, by its name, shows no photo."""
    name = PurePosixPath(path)
    if name.stem in _CHARTS:
        return True
    return not (is_image_name(name.name) or _suffix(path) in _PAGES or name.name == _REPORT)


def output_folders(outputs: Path) -> Iterator[Path]:
    """``outputs`` and, below the folder around it, those of copies that a kill or ``dvc exp`` left."""
    for folder, folders, _ in os.walk(outputs.parent):
        if outputs.name in folders:
            yield Path(folder, outputs.name)
        folders[:] = [name for name in folders if name not in {*_SKIPPED, outputs.name}]


def remove_pictures(outputs: Path, person: Person) -> int:
    """Delete what shows photos, but in folders whose tables say that none of the person's are among them."""
    removed = 0
    for folder, folders, names in os.walk(outputs):
        place = Path(folder)
        if place == outputs:
            # Pages about tables, with pictures of Great Expectations' own.
            folders[:] = [name for name in folders if name != "validate"]
        if METADATA in names:
            # A folder of images: theirs go with their rows.
            folders.clear()
        pictures = [place / name for name in names if not is_no_picture(name)]
        if pictures and not _is_of_others(place, names, person):
            for path in pictures:
                path.unlink(missing_ok=True)
            removed += len(pictures)
    return removed


def remove_rows(outputs: Path, data: Path, person: Person) -> int:
    """Take the person's rows out of all tables with a row an image; returns how many.

    Args:
        outputs: a folder, with all below it.
        data: the images that are left: a row of which only the name is known is of one that has the name now.
        person: of whom.
    """

    def theirs(rows: pd.DataFrame) -> "pd.Series[bool]":
        others = rows["file_name"].map(lambda name: (data / name).is_file()).astype(bool)
        return person.has(rows) | (person.may_have(rows) & ~others)

    return sum(_without(path, theirs) for path in _tables(outputs))


def names_in(outputs: Path, person: Person) -> set[str]:
    """What tables call the person's images, which may be gone, and which further tables know by these names alone."""
    names: set[str] = set()
    for path in _tables(outputs):
        # Where images lie beside their table, it calls them by their place there.
        if path.name != METADATA and (table := _table(path.read_bytes(), path.name)) is not None:
            rows = about(table)
            names.update(rows["file_name"][person.has(rows)])
    return names - {""}


def _tables(outputs: Path) -> list[Path]:
    return [path for path in sorted(outputs.rglob("*")) if path.is_file() and is_table(path.name)]


def _is_of_others(folder: Path, names: list[str], person: Person) -> bool:
    """Before their rows are removed: the pages of a folder show what its tables list."""
    contents = [((folder / name).read_bytes(), name) for name in names if is_table(name)]
    listing = [found for content, name in contents if (found := _table(content, name)) is not None]
    return bool(listing) and not any(person.may_have(about(table)).any() for table in listing)


def is_table(name: str) -> bool:
    """Whether a file may be a table, by its name."""
    return _suffix(name) in _TABLES


def lists(content: bytes, name: str, chooser: Chooser) -> bool:
    """Whether a table has a row an image, and one of them is chosen."""
    table = _table(content, name)
    return table is not None and bool(chooser(about(table)).any())


def _table(content: bytes, name: str) -> pd.DataFrame | None:
    """A table with a row an image; None for anything else."""
    try:
        if _suffix(name) == ".parquet":
            table = pd.read_parquet(BytesIO(content))
        else:
            # People may have had it in hand, in a spreadsheet.
            header, *rows = cells_of(content)
            named = [dict(zip(header, row, strict=False)) for row in rows if row]
            table = pd.DataFrame(named, columns=list(dict.fromkeys(header)), dtype=str).fillna("")
    except (ValueError, OSError, csv.Error):
        return None
    return table if _KEYS & set(table.columns) else None


def about(table: pd.DataFrame) -> pd.DataFrame:
    """What a table says of whom its rows are: ``file_name``, ``sha256`` and ``group``, all text."""
    return table.reindex(columns=_ABOUT, fill_value="").fillna("").astype(str)


def _without(path: Path, chooser: Chooser) -> int:
    table = _table(path.read_bytes(), path.name)
    if table is None or not (gone := chooser(about(table))).any():
        return 0
    if path.name == METADATA:
        for name in table["file_name"][gone]:
            if not leaves(path.parent.resolve(), path.parent / name):
                (path.parent / name).unlink(missing_ok=True)
    left = table[~gone].reset_index(drop=True)
    with replaced(path) as draft:
        if path.suffix == ".parquet":
            left.to_parquet(draft)
        else:
            left.to_csv(draft, index=False, lineterminator="\n")
    return int(gone.sum())


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()


def remove_copies(root: Path, person: Person) -> list[Path]:
    """Delete every file with the bytes of an image or of a photo that it was cut from, wherever it lies; returns where.

    Those are also what a kill left of an import, a checkout of an earlier commit, photos of answers, and DVC's cache.
    """
    sizes = {content.size for content in person.contents}
    temporary = shared_temporary_folder().glob(_TEMPORARY)
    places = [root, *(place for place in temporary if os.access(place, os.W_OK))]
    found = [(path, _size(path)) for place in places for path in _files(place)]
    near = [path for path, size in found if size in sizes or (person.unsized and size > 0)]
    theirs = [path for path in near if person.is_of(_sha256(path))]
    for path in theirs:
        path.unlink(missing_ok=True)
    return theirs


def _files(place: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(place):
        folders[:] = [name for name in folders if name not in _SKIPPED]
        yield from (Path(folder, name) for name in names)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1


def _sha256(path: Path) -> str:
    try:
        return sha256(path)
    except OSError:
        return hashlib.sha256().hexdigest()
