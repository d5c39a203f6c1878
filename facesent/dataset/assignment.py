"""What has been in which split so far: an image that was once tested on must never be trained on later.

The table is kept in git, in ``assignment.csv``. It names no file and no person: contents and people are known by the
start of their hashes, pictures by their perceptual hash. Rows of images that are gone stay. An image that was cut from
a whole photo has the start of that photo's hash too, and its perceptual hashes, so that both are known as one.
"""

import hashlib
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from facesent.core.errors import DataError
from facesent.core.files import replaced
from facesent.core.paths import SPLITS
from facesent.core.text import some
from facesent.dataset.metadata import SOURCE, SOURCE_PHASH
from facesent.dataset.similarity import alike

_ALWAYS = ("content", "person", "phash", "split")
# Written only where an image has a source. Earlier tables know the photo's content, and not its looks.
_OF_SOURCES = ("source", "source_phash")
COLUMNS = (*_ALWAYS, *_OF_SOURCES)
_KEY = ["content", "person"]
_DIGITS = 16
_HASH = rf"[0-9a-f]{{{_DIGITS}}}"


class AssignmentError(DataError):
    """``assignment.csv`` is not what was written."""


def identities(images: pd.DataFrame) -> pd.DataFrame:
    """What images are known by, in their order.

    Args:
        images: with ``sha256``, ``group`` (the person, missing where nobody is known), ``phash``, and ``source_sha256``
            and ``source_phash`` if any of them is known to be cut from a photo.

    Returns:
        ``content``, ``person`` ("" where nobody is known), ``phash``, ``source`` and ``source_phash`` ("" where none is
        known), all text.
    """
    names = images["group"].dropna().unique()
    people = {name: hashlib.sha256(f"person {name}".encode()).hexdigest()[:_DIGITS] for name in names}
    known = {
        "content": images["sha256"].str[:_DIGITS],
        "person": [people.get(name, "") for name in images["group"]],
        "phash": images["phash"],
        "source": images[SOURCE].fillna("").str[:_DIGITS] if SOURCE in images else "",
        "source_phash": images[SOURCE_PHASH].fillna("") if SOURCE_PHASH in images else "",
    }
    return pd.DataFrame(known, dtype=str).reset_index(drop=True)


def origins(table: pd.DataFrame) -> "pd.Series[str]":
    """The photo that each row is of: its source, or its own content where it was cut from nothing.

    Args:
        table: with ``content`` and ``source``.
    """
    return table["source"].mask(table["source"] == "", table["content"])


def with_sources(images: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """``images``, as ``identities`` gives them, with the sources that the table remembers of their contents."""
    sources = table[table["source"] != ""].drop_duplicates("content").set_index("content")
    return images.assign(
        **{
            name: images[name].mask(images[name] == "", images["content"].map(sources[name])).fillna("")
            for name in _OF_SOURCES
        }
    )


def read_assignment(path: Path) -> pd.DataFrame:
    """The rows of ``COLUMNS``; none where the file is missing.

    Raises:
        AssignmentError: the file is damaged, or puts a content or a person's image into two splits.
    """
    if not path.is_file():
        return pd.DataFrame(columns=list(COLUMNS), dtype=str)
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise AssignmentError(_damaged(path.name, "text that is not UTF-8")) from None
    return table_of(text, path.name)


def table_of(text: str, name: str) -> pd.DataFrame:
    """The rows of ``COLUMNS`` of a text as ``text_of`` gives it.

    Args:
        text: the table.
        name: of the file, for messages.

    Raises:
        AssignmentError: it is damaged, or puts a content or a person's image into two splits.
    """
    if "<<<<<<<" in text or ">>>>>>>" in text:
        raise AssignmentError(
            f"Expected a table in {name}. Received: conflict markers of a merge. Keep the rows of both sides, but only "
            "one row per image."
        )
    try:
        table = pd.read_csv(StringIO(text), dtype=str, keep_default_na=False)
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise AssignmentError(_damaged(name, " ".join(str(error).split()))) from None
    if tuple(table.columns) not in (COLUMNS, COLUMNS[:-1], _ALWAYS):
        raise AssignmentError(_damaged(name, f"the columns {', '.join(map(str, table.columns))}"))
    # A spreadsheet makes a number of a hash of digits.
    whole = table["content"].str.fullmatch(_HASH) & table["phash"].str.fullmatch(_HASH) & table["split"].isin(SPLITS)
    if not whole.all():
        row = int(np.flatnonzero(~whole)[0])
        raise AssignmentError(_damaged(name, f"in line {row + 2} {','.join(table.iloc[row].fillna(''))}"))
    # Both sides of a merge may have placed an image alike.
    table = table.drop_duplicates(ignore_index=True)
    _check_places(table, name)
    return table.reindex(columns=list(COLUMNS), fill_value="")


def _damaged(name: str, received: str) -> str:
    return (
        f"Expected in {name} the columns {', '.join(_ALWAYS)}, hashes of {_DIGITS} hexadecimal digits, and train, val "
        f"or test as split. Received: {received}. Restore it: git checkout {name}"
    )


def _check_places(table: pd.DataFrame, name: str) -> None:
    twice = table[table.duplicated(_KEY, keep=False)]
    if len(twice):
        rows = [f"{row.content} ({row.split})" for row in twice.sort_values([*_KEY, "split"]).itertuples()]
        raise AssignmentError(
            f"Expected each image in one split in {name}. Received: {some(rows)}. Two clones placed the same new "
            "images differently: keep one row per image."
        )


def write_assignment(path: Path, table: pd.DataFrame) -> None:
    """Write the rows of ``COLUMNS``, sorted, so that a change of a few is a few lines in git."""
    with replaced(path) as draft:
        draft.write_text(text_of(table), encoding="utf-8")


def text_of(table: pd.DataFrame) -> str:
    """The table as text; the same for the same rows."""
    columns = COLUMNS if (table["source"] != "").any() else _ALWAYS
    return str(table.sort_values(_KEY)[list(columns)].to_csv(index=False, lineterminator="\n"))


def remembered(table: pd.DataFrame, placed: pd.DataFrame) -> pd.DataFrame:
    """The table with images that were placed now, whose place counts where it is another than before."""
    return pd.concat([table, placed[list(COLUMNS)]]).drop_duplicates(_KEY, keep="last")


def of_strangers(table: pd.DataFrame) -> pd.DataFrame:
    """The table without people, for one of another collection: names say nothing of who somebody is here."""
    return table.assign(person="").drop_duplicates(_KEY, ignore_index=True)


def forget(path: Path) -> int:
    """Forget all splits so far; returns of how many images."""
    # An empty table, not no file: one that is gone was lost.
    forgotten = len(read_assignment(path)) if path.is_file() else 0
    write_assignment(path, pd.DataFrame(columns=list(COLUMNS)))
    return forgotten


def known(table: pd.DataFrame, sha256: pd.Series) -> pd.DataFrame:
    """The rows of the table that are of these contents."""
    return table[table["content"].isin(sha256.str[:_DIGITS])]


def rows_of(path: Path, sha256: pd.Series) -> pd.DataFrame:
    """The rows of ``assignment.csv`` that are of these contents, the images of a split.

    Raises:
        AssignmentError: a content has none, or as ``read_assignment``.
    """
    rows = known(read_assignment(path), sha256)
    if missing := sorted(set(sha256.str[:_DIGITS]) - set(rows["content"])):
        raise AssignmentError(
            f"Expected each image of the splits in assignment.csv. Received: nothing of {some(missing)}. "
            "Run: dvc repro split"
        )
    return rows


def unseen(sha256: pd.Series, images: pd.DataFrame, seen: pd.DataFrame, distance: int) -> NDArray[np.bool_]:
    """Whether each image is new to a model that has seen others: another photo, another person, no near duplicate.

    Args:
        sha256: of the images.
        images: rows of ``COLUMNS``, at least one of each of the contents.
        seen: rows of ``COLUMNS``, what the model was trained and tuned on.
        distance: of perceptual hashes, in bits, up to which two pictures are near duplicates.

    Returns:
        ``(images,)``.
    """
    same = images["content"].isin(seen["content"]) | origins(images).isin(origins(seen))
    same |= images["person"].isin(seen["person"]) & (images["person"] != "")
    new = ~(same.to_numpy(dtype=bool) | alike(images, seen, distance))
    # A content may be of two people, and is new where it is to both.
    of_content = pd.Series(new, images["content"]).groupby(level=0).all()
    return of_content.loc[sha256.str[:_DIGITS]].to_numpy(dtype=bool)
