"""What a source says of its images, in one or several ``metadata.csv`` and by the names of its folders."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from facesent.dataset.files import METADATA
from facesent.dataset.metadata import SOURCE, SOURCE_PHASH, Metadata, Row, is_there, read_metadata
from facesent.sources.cropping import Cut
from facesent.sources.survey import Place


@dataclass(frozen=True)
class Known:
    """What is known of the images.

    Attributes:
        columns: of a ``metadata.csv``; none where nothing is known.
        rows: by the image's name.
        verbatim: the file that says just this, if there is one.
        unmatched: file names of rows that name no image.
    """

    columns: tuple[str, ...] = ()
    rows: Mapping[str, Row] = field(default_factory=dict)
    verbatim: Path | None = None
    unmatched: tuple[str, ...] = ()

    def content(self) -> bytes:
        """Of a ``metadata.csv``."""
        if self.verbatim:
            return self.verbatim.read_bytes()
        rows = [{column: row.get(column, "") for column in self.columns} for row in self.rows.values()]
        return Metadata(self.columns).text(rows).encode()

    def of_crops(self, cuts: Mapping[str, Cut]) -> "Known":
        """The same of crops, by name; what was cut before keeps what that was cut from."""
        columns = tuple(dict.fromkeys([*(self.columns or ["file_name"]), SOURCE, SOURCE_PHASH]))
        rows: dict[str, Row] = {}
        for name, cut in cuts.items():
            row = {"file_name": name, **self.rows.get(name, {})}
            rows[name] = row if row.get(SOURCE) else {**row, SOURCE: cut.sha256, SOURCE_PHASH: cut.phash}
        return Known(columns, rows)


def read_known(folders: Sequence[Path], places: Mapping[str, Place]) -> Known:
    """What the ``metadata.csv`` in ``folders``, and the folders' own names, say of the images.

    Raises:
        DataError: as `read_metadata`.
    """
    files = [folder / METADATA for folder in dict.fromkeys(folders) if is_there(folder / METADATA)]
    given: dict[str, Row] = {
        name: {"file_name": name, "split": place.split} for name, place in places.items() if place.split
    }
    if not files and not given:
        return Known()
    if len(files) == 1 and not given and (known := _as_it_is(files[0], places)):
        return known
    columns = dict.fromkeys(["file_name", "split"] if given else ["file_name"])
    unmatched: list[str] = []
    for file in files:
        names = _names_in(file, places)
        metadata = read_metadata(file, names)
        unmatched += [row["file_name"] for row in metadata.unmatched]
        columns |= dict.fromkeys(metadata.columns)
        for row in metadata.rows:
            name = names[row["file_name"]]
            before = given.get(name, {})
            given[name] = {**before, **row, "file_name": name, "split": row.get("split") or before.get("split", "")}
    return Known(tuple(columns), given, unmatched=tuple(sorted(unmatched)))


def _as_it_is(file: Path, places: Mapping[str, Place]) -> Known | None:
    """The only table there is, if it calls all its images as they will be called."""
    names = _names_in(file, places)
    metadata = read_metadata(file, names)
    if metadata.unmatched or not metadata.verbatim or set(names) != set(places):
        return None
    return Known(metadata.columns, {row["file_name"]: row for row in metadata.rows}, verbatim=file)


def _names_in(file: Path, places: Mapping[str, Place]) -> dict[str, str]:
    """The names that the images will have, by those that a table beside them has for them."""
    return {
        place.file.relative_to(file.parent).as_posix(): name
        for name, place in places.items()
        if place.file.is_relative_to(file.parent)
    }
