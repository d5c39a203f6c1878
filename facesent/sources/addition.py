"""Further images beside those that are there: nothing is overwritten, and nothing comes in twice."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath

from facesent.core.errors import DataError
from facesent.core.files import sha256
from facesent.core.text import folded
from facesent.dataset.files import (
    METADATA,
    ImageFile,
    check_class_names,
    class_folders,
    image_files,
    label_of,
    walk_files,
)
from facesent.dataset.metadata import SOURCE, SOURCE_PHASH, Metadata, Row, read_metadata
from facesent.sources.store import by_size, carry, carry_over, free_name


@dataclass(frozen=True)
class Added:
    """What became of the new images; names as they are in the new content.

    Attributes:
        images: that were added.
        known: that were there already, whole or cut to the face, under the same label.
        copies: of other new images, under the same label.
        conflicts: (added image, one of the same content under another label).
        classes: (new class folder, the class that it was put into, whose name differs in case alone).
    """

    images: tuple[str, ...]
    known: tuple[str, ...]
    copies: tuple[str, ...]
    conflicts: tuple[tuple[str, str], ...]
    classes: tuple[tuple[str, str], ...] = ()


def add(new: Path, data_dir: Path, incoming: Path) -> Added:
    """Make in ``incoming`` what is in ``data_dir`` with the images of ``new``, and both their ``metadata.csv``.

    An image whose name is taken gets the start of its hash appended. Of an image that is there already, also whole or
    cut, and of one that comes several times, the new ``metadata.csv`` fills the gaps of what is known.

    Args:
        new: class folders of images, as ``import_folder`` makes them; those whose names differ from the classes that
            are there in case alone are renamed.
        data_dir: what is there; stays as it is.
        incoming: is made.

    Raises:
        DataError: nothing is there to add to, or a new class could not be told apart from one that is there.
    """
    if not data_dir.is_dir() or not (here := image_files(data_dir)):
        raise DataError(
            f"Expected images in {data_dir} to add to. Received: none. If {data_dir} should hold some: facesent data "
            "status. Otherwise: facesent data import DIR"
        )
    classes = _call_as_there(new, data_dir)
    carry_over(data_dir, incoming, names={})
    images = image_files(new)
    photos, taken = _Photos(data_dir, here, _sources(new, images)), _Taken(data_dir, here)
    there = frozenset(image.name for image in here)
    own: dict[str, Row] = {}
    others: dict[str, Row] = {}
    conflicts = []
    for image in images:
        file = new / image.name
        digest, same = taken.alike(file)
        if cells := _came_as(image.name, same, photos.known(image.name, digest), there):
            others[image.name] = cells
            continue
        name = taken.take(file, digest)
        own[image.name] = {"file_name": name}
        carry(file, incoming / name, link=True)
        conflicts += [(name, other) for other in same[:1]]
    _join_metadata(new, data_dir, incoming, own, others)
    known = tuple(name for name, cells in others.items() if cells["file_name"] in there)
    copies = tuple(name for name, cells in others.items() if cells["file_name"] not in there)
    return Added(tuple(cells["file_name"] for cells in own.values()), known, copies, tuple(conflicts), classes)


def _came_as(name: str, same: Sequence[str], photo: str | None, there: Collection[str]) -> Row | None:
    """What changes in a new image's row so that it is of an image that came before; None where none did.

    Args:
        name: of the new image.
        same: images of the same content.
        photo: one of the same photo, whole or cut.
        there: those that were there.
    """
    if twin := next((other for other in same if label_of(other) == label_of(name)), None):
        # Where an image is that was tested on, nobody says by adding others.
        return {"file_name": twin, "split": ""} if twin in there else {"file_name": twin}
    return {"file_name": photo, "split": "", SOURCE: "", SOURCE_PHASH: ""} if photo else None


class _Taken:
    """The contents and the names that are there, and those that came; the names are those in the new content."""

    def __init__(self, data_dir: Path, here: Sequence[ImageFile]) -> None:
        self._of_size = {
            size: [(image.name, data_dir / image.name) for image in images] for size, images in by_size(here).items()
        }
        self._names = {folded(name) for name, _ in walk_files(data_dir)}
        self._hash_of = cache(sha256)

    def alike(self, file: Path) -> tuple[str, list[str]]:
        """The SHA-256 of a new image, and the images that have it too; first those that were there."""
        digest, others = self._hash_of(file), self._of_size.get(file.stat().st_size, ())
        return digest, [name for name, other in others if self._hash_of(other) == digest]

    def take(self, file: Path, digest: str) -> str:
        """Count a new image in; the name that it gets."""
        name = free_name(f"{file.parent.name}/{file.name}", digest, self._names)
        self._names.add(folded(name))
        self._of_size.setdefault(file.stat().st_size, []).append((name, file))
        return name


def _call_as_there(new: Path, data_dir: Path) -> tuple[tuple[str, str], ...]:
    """Give the new class folders the names of those in ``data_dir`` from which they differ in case alone."""
    there = {folded(label): label for label in class_folders(data_dir)}
    called = {label: there.get(folded(label), label) for label in class_folders(new)}
    check_class_names([*there.values(), *called.values()])
    others = {label: name for label, name in called.items() if label != name}
    if others and (new / METADATA).is_file():
        metadata = read_metadata(new / METADATA, [image.name for image in image_files(new)])
        names = [PurePosixPath(row["file_name"]) for row in metadata.rows]
        moved = [f"{called[name.parts[0]]}/{name.name}" for name in names]
        rows = [{**row, "file_name": name} for row, name in zip(metadata.rows, moved, strict=True)]
        metadata.write(new / METADATA, rows)
    for label, name in others.items():
        (new / label).rename(new / name)
    return tuple(others.items())


class _Photos:
    """Which new images are there already as the same photo: whole and now cut, cut and now whole, or cut anew.

    Other cuts of a photo may be of other faces.
    """

    def __init__(self, data_dir: Path, here: Sequence[ImageFile], sources: Mapping[str, str]) -> None:
        self._sources, self._here = sources, _sources(data_dir, here)
        self._cut = {(label_of(name), source): name for name, source in self._here.items()}
        whole = [image for image in here if sources and image.name not in self._here and not image.refusal]
        self._whole = {(label_of(image.name), sha256(data_dir / image.name)): image.name for image in whole}

    def known(self, name: str, digest: str) -> str | None:
        """The image that a new one is there as; None if it is not there."""
        source = self._sources.get(name)
        if self._here.get(name) == (source or digest):
            return name
        return (self._whole if source else self._cut).get((label_of(name), source or digest))


def _sources(folder: Path, images: Sequence[ImageFile]) -> dict[str, str]:
    """The photos that images were cut from, by their names."""
    rows = read_metadata(folder / METADATA, [image.name for image in images]).rows
    return {row["file_name"]: row[SOURCE] for row in rows if row.get(SOURCE)}


def _join_metadata(
    new: Path, data_dir: Path, incoming: Path, own: Mapping[str, Row], others: Mapping[str, Row]
) -> None:
    """Write what both say.

    Args:
        new: holds the new ``metadata.csv``.
        data_dir: holds the old one.
        incoming: where it is written.
        own: what changes in the rows of new images, by their names in ``new``.
        others: the same of images that came before, whose own rows have the say.
    """
    added = read_metadata(new / METADATA, [image.name for image in image_files(new)])
    further = [{**row, **own[row["file_name"]]} for row in added.rows if row["file_name"] in own]
    told = [{**row, **others[row["file_name"]]} for row in added.rows if row["file_name"] in others]
    further += [row for row in told if any(row[name] for name in added.columns if name != "file_name")]
    if not further:
        return
    # Rows of images that are still to come stay, and say of those that came now what nothing else does.
    here = {image.name for image in image_files(data_dir)}
    old = read_metadata(data_dir / METADATA, [*sorted(here), *(row["file_name"] for row in further)])
    kept = [*(row for row in old.rows if row["file_name"] in here), *old.unmatched]
    awaited = [row for row in old.rows if row["file_name"] not in here]
    columns = tuple(dict.fromkeys([*(old.columns if kept or awaited else ()), *added.columns]))
    rows: dict[str, dict[str, str]] = {}
    for row in [*kept, *further, *awaited]:
        joined = rows.setdefault(row["file_name"], dict.fromkeys(columns, ""))
        joined |= {name: row.get(name, "") for name in columns if not joined[name]}
    Metadata(columns).write(incoming / METADATA, [*rows.values()])
