"""What a source says of its images, in one or several ``metadata.csv`` and by the names of its folders."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from facesent.dataset.files import METADATA
from facesent.dataset.metadata import SOURCE, SOURCE_PHASH, Metadata, Row, is_there, read_metadata
from facesent.sources.cropping import Cut
from facesent.sources.survey import Place


@dataclass(frozen=True)
class SourceMetadata:
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

    def of_crops(self, cuts: Mapping[str, Cut]) -> "SourceMetadata":
        """The same of crops, by name; what was cut before keeps what that was cut from."""
        columns = tuple(dict.fromkeys([*(self.columns or ["file_name"]), SOURCE, SOURCE_PHASH]))
        rows: dict[str, Row] = {}
        for name, cut in cuts.items():
            row = {"file_name": name, **self.rows.get(name, {})}
            rows[name] = row if row.get(SOURCE) else {**row, SOURCE: cut.sha256, SOURCE_PHASH: cut.phash}
        return SourceMetadata(columns, rows)


def read_source_metadata(folders: Sequence[Path], places: Mapping[str, Place]) -> SourceMetadata:
    """What the ``metadata.csv`` in ``folders``, and the folders' own names, say of the images.

    Raises:
        DataError: as `read_metadata`.
    """
    files = [folder / METADATA for folder in dict.fromkeys(folders) if is_there(folder / METADATA)]
    given: dict[str, Row] = {
        name: {"file_name": name, "split": place.split} for name, place in places.items() if place.split
    }
    if not files and not given:
        return SourceMetadata()
    tables = [_Table.read(file, places) for file in files]
    if len(tables) == 1 and not given and tables[0].calls_all(places):
        metadata = tables[0].metadata
        return SourceMetadata(metadata.columns, {row["file_name"]: row for row in metadata.rows}, verbatim=files[0])
    columns = dict.fromkeys(["file_name", "split"] if given else ["file_name"])
    unmatched: list[str] = []
    for names, metadata in tables:
        unmatched += [row["file_name"] for row in metadata.unmatched]
        columns |= dict.fromkeys(metadata.columns)
        for row in metadata.rows:
            name = names[row["file_name"]]
            # An empty cell says nothing: what is said above it, or by the folder, holds.
            said = {column: cell for column, cell in row.items() if cell.strip()}
            given[name] = {**given.get(name, {}), **said, "file_name": name}
    return SourceMetadata(tuple(columns), given, unmatched=tuple(sorted(unmatched)))


class _Table(NamedTuple):
    """A ``metadata.csv``."""

    names: Mapping[str, str]
    """Those that the images will have, by those that it has for them."""
    metadata: Metadata

    @classmethod
    def read(cls, file: Path, places: Mapping[str, Place]) -> "_Table":
        """It is about the images beside it."""
        names = {
            place.file.relative_to(file.parent).as_posix(): name
            for name, place in places.items()
            if place.file.is_relative_to(file.parent)
        }
        return cls(names, read_metadata(file, names))

    def calls_all(self, places: Mapping[str, Place]) -> bool:
        """Whether it calls all images, and only these, as they will be called."""
        return self.metadata.verbatim and not self.metadata.unmatched and set(self.names) == set(places)
