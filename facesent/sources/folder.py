"""Where images come from: a folder of class folders, a list of them, or a zip of either."""

import os
import shutil
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple
from unicodedata import normalize

from facesent.core.console import Progress
from facesent.core.cropping import DEFAULT_CROP, Crop
from facesent.core.errors import DataError
from facesent.core.text import folded, printable, some
from facesent.dataset.files import METADATA, check_class_names, is_hidden_image, is_ignored, is_image_name, leaves
from facesent.dataset.metadata import SOURCE, SOURCE_PHASH, Metadata, Row, is_there, read_metadata
from facesent.images.kinds import kind_of_file
from facesent.images.limits import MAX_BYTES
from facesent.sources.archive import DamagedArchiveError, unpack
from facesent.sources.cropping import Cut, cut_photos, name_of_crop
from facesent.sources.layouts import levels, looks_like_picture, parts
from facesent.sources.lists import find_list, lay_out


@dataclass(frozen=True)
class Imported:
    """What was taken from a source, and what was not.

    Attributes:
        images: how many.
        linked: how many of them share the source's file.
        cut: how many of them are faces, cut out of their photo.
        skipped: (name relative to the source, reason), sorted.
        unmatched: names in ``metadata.csv`` without an image; their rows were left out.
    """

    images: int
    linked: int
    cut: int = 0
    skipped: tuple[tuple[str, str], ...] = ()
    unmatched: tuple[str, ...] = ()


class _Place(NamedTuple):
    """Where an image comes from, and the split that its folder gives it."""

    file: Path
    split: str


def import_folder(
    source: Path,
    incoming: Path,
    *,
    link: bool = False,
    crop: Crop = DEFAULT_CROP,
    without: Collection[str] = (),
    least_classes: int = 2,
    progress: Progress | None = None,
) -> Imported:
    """Take the images of ``source/<Class>/`` and its ``metadata.csv`` into the new folder ``incoming``.

    Class folders may lie one level down, and in folders ``train``, ``val`` and ``test``, which become their split.

    Args:
        source: class folders of images; links that lead out of it are not followed.
        incoming: is made.
        link: hard-link the images, or copy where the file system cannot; not what is cut.
        crop: "largest" to take the largest face of each photo alone, and leave out photos without one; the new
            ``metadata.csv`` then says in ``source_sha256`` and ``source_phash`` what each was cut from.
        without: classes that are left out.
        least_classes: with images, for it to be a dataset.
        progress: called with (images done, images in all).

    Raises:
        DataError: fewer than two classes, folders below the class folders, classes of reserved or unreadable names, a
            wrong ``metadata.csv``, or no face in any photo of a class.
    """
    if not source.is_dir():
        what = "a file" if source.is_file() else "no such folder"
        raise DataError(
            "Expected a folder of class folders of images, a zip of one, or a CSV with the columns emotion and pixels. "
            f"Received: {source}, {what}."
        )
    above = levels(source)
    found = parts(above[-1])
    places: dict[str, _Place] = {}
    known: set[str] = set()
    beside = [] if above[-1] in found else [path for path in _visible(above[-1]) if path.is_dir() and path not in found]
    skipped = [(printable(path.name), "a folder without images") for path in beside]
    unwanted, left_out = {normalize("NFC", label) for label in without}, set[str]()
    for part, split in found.items():
        classes, others = _survey(part, source.resolve())
        prefix = f"{part.name}/" if split or part != above[-1] else ""
        skipped += [(f"{prefix}{name}", reason) for name, reason in others]
        for folder, files in classes.items():
            # macOS may write an accent as a letter of its own; people type it as one letter.
            label = normalize("NFC", folder)
            if label in unwanted:
                left_out.add(label)
                skipped.append((f"{prefix}{label}", "left out, as requested"))
                continue
            for name in files:
                taken = name if crop == "none" else name_of_crop(name)
                free = _free(f"{label}/{taken}", part.name, known)
                known.add(folded(free))
                places[free] = _Place(part / folder / name, split)
    if unknown := sorted(unwanted - left_out):
        raise DataError(f"Expected class folders of {source} to leave out. Received: {some(unknown)}")
    counts = Counter(name.split("/")[0] for name in places)
    if len(counts) < least_classes:
        raise DataError(
            f"Expected images of at least {'two classes' if least_classes > 1 else 'one class'}, as "
            "<Class>/*.jpg, .png, .webp, .bmp or .gif. "
            f"Received: {some(f'{name} ({count})' for name, count in counts.items()) or 'none'}"
            + (f"; skipped {some([f'{name} ({reason})' for name, reason in skipped])}" if skipped else "")
            + ". Put the images of each class into a folder of its name."
        )
    check_class_names(counts)
    table = _read_metadata([*above, *found], places)
    if crop == "none":
        return replace(_copy(places, table, incoming, link, progress), skipped=tuple(skipped))
    imported = _cut(places, table, incoming, progress)
    named = [(places[name].file.relative_to(source).as_posix(), reason) for name, reason in imported.skipped]
    return replace(imported, skipped=tuple(sorted([*skipped, *named])))


def _copy(
    places: Mapping[str, _Place], table: "_Table", incoming: Path, link: bool, progress: Progress | None
) -> Imported:
    linked = 0
    for done, (name, place) in enumerate(places.items(), 1):
        linked += _take(place.file, incoming / name, link)
        if progress:
            progress(done, len(places))
    if table.columns:
        # Never a hard link: people edit this file in place.
        (incoming / METADATA).write_bytes(table.content())
    return Imported(len(places), linked, unmatched=table.unmatched)


def _cut(places: Mapping[str, _Place], table: "_Table", incoming: Path, progress: Progress | None) -> Imported:
    """Take the faces; what is skipped is called by the name that its crop would have."""
    cuts = cut_photos({name: place.file for name, place in places.items()}, incoming, progress)
    faces = {name: cut for name, cut in cuts.items() if cut.sha256}
    skipped = tuple((name, cut.reason) for name, cut in cuts.items() if not cut.sha256)
    _refuse_to_lose_class(faces, skipped)
    (incoming / METADATA).write_bytes(table.of_crops(faces).content())
    return Imported(len(faces), 0, len(faces), skipped, table.unmatched)


def _refuse_to_lose_class(faces: Collection[str], skipped: Sequence[tuple[str, str]]) -> None:
    left = {name.split("/")[0] for name in faces}
    if lost := [(name, reason) for name, reason in skipped if name.split("/")[0] not in left]:
        name, reason = lost[0]
        label = name.split("/")[0]
        raise DataError(
            f"Expected a face in at least one photo of each class. Received: none in {label}, such as {name} "
            f"({reason}). Leave it out with --without {label!r}, or take the photos as they are, without --crop."
        )


def import_source(
    source: Path, incoming: Path, laid_out: Path, *, progress: Progress | None = None, **options: Any
) -> Imported:
    """As `import_folder`, also of a dataset whose classes stand in a list, which lies in ``laid_out`` meanwhile.

    Raises:
        DataError: see `lay_out` and `import_folder`.
    """
    listed = find_list(source)
    if listed is None:
        return import_folder(source, incoming, progress=progress, **options)
    if laid_out.exists():
        shutil.rmtree(laid_out)
    try:
        skipped = lay_out(source, listed, laid_out, progress)
        imported = import_folder(laid_out, incoming, progress=progress, **options)
        return replace(imported, skipped=(*imported.skipped, *skipped))
    finally:
        shutil.rmtree(laid_out, ignore_errors=True)


def import_archive(archive: Path, incoming: Path, unpacked: Path, **options: Any) -> Imported:
    """As `import_folder`, with its options, of a zip, which is unpacked into the folder ``unpacked`` meanwhile.

    Raises:
        DataError: see `unpack` and `import_source`.
    """
    if unpacked.exists():
        shutil.rmtree(unpacked)
    try:
        too_long = [(f"{name[:40]}…", "its name is too long") for name in unpack(archive, unpacked)]
        imported = import_source(unpacked, incoming, unpacked.with_name("listed"), **{**options, "link": True})
        return replace(imported, skipped=(*imported.skipped, *too_long))
    finally:
        shutil.rmtree(unpacked, ignore_errors=True)


def import_download(archive: Path, incoming: Path, **options: Any) -> Imported:
    """As `import_archive`, of a zip that `fetch_archive` brought: a damaged one is deleted, so that it is fetched anew.

    Raises:
        DataError: see `import_archive`.
    """
    try:
        return import_archive(archive, incoming, archive.with_name("unpacked"), **options)
    except DamagedArchiveError as error:
        archive.unlink()
        raise DataError(f"{error}. It was deleted; run it again.") from None


def _free(name: str, part: str, taken: Collection[str]) -> str:
    """The name, with its part's name in front where an image of another part is called so."""
    label, _, file = name.partition("/")
    return name if folded(name) not in taken else _free(f"{label}/{part}-{file}", part, taken)


def _survey(part: Path, root: Path) -> tuple[dict[str, list[str]], list[tuple[str, str]]]:
    """The sorted image names by class, and what is not taken with the reason; links lead out where they leave root."""
    classes: dict[str, list[str]] = {}
    skipped = []
    for entry in _visible(part):
        if reason := _unfit(entry, root):
            _refuse_to_lose_unfit(entry, reason)
            skipped.append((printable(entry.name), reason))
        elif entry.is_dir():
            files, others = _survey_class(entry, root)
            skipped += others
            if files:
                classes[entry.name] = files
            else:
                _refuse_to_lose(entry, others)
                skipped += [] if others else [(entry.name, "an empty folder")]
        elif entry.name != METADATA:
            skipped.append((entry.name, "not in a class folder"))
    return classes, skipped


def _refuse_to_lose_unfit(folder: Path, reason: str) -> None:
    """Refuse a class whose folder is not taken itself."""
    if folder.is_dir() and _holds_images(folder):
        raise DataError(
            f"Expected class folders with images. Received: {printable(folder.name)}, {reason}. Put a folder with its "
            "images in its place, or move it away."
        )


def _refuse_to_lose(folder: Path, skipped: Sequence[tuple[str, str]]) -> None:
    """Refuse a class none of whose pictures is taken: without it the classes would be others."""
    pictures = [(name, reason) for name, reason in skipped if looks_like_picture(folder.parent / name)]
    if pictures:
        name, reason = pictures[0]
        raise DataError(
            f"Expected supported images in each class folder. Received: none in {folder.name}, but "
            f"{len(pictures)} unsupported ones, such as {name} ({reason}). Save them as JPEG or PNG with the right "
            "suffix, or move the folder away."
        )


def _survey_class(folder: Path, root: Path) -> tuple[list[str], list[tuple[str, str]]]:
    part = folder.parent.name
    files, skipped = [], []
    for entry in sorted(folder.iterdir()):
        name = f"{folder.name}/{printable(entry.name)}"
        if is_ignored(entry.name):
            if is_hidden_image(entry.name):
                skipped.append((name, "a hidden file: its name begins with a dot"))
        elif reason := _unfit(entry, root):
            skipped.append((name, reason))
        elif entry.is_dir():
            if _holds_images(entry):
                raise DataError(
                    f"Expected images directly in the class folders, {part}/<Class>/<image>. Received: images in "
                    f"{part}/{name}/. If {folder.name} is a part of a dataset that is split already, call the parts "
                    "train, val and test, with no other folder of images beside them. If it is a level above the "
                    "classes, import that folder."
                )
            skipped.append((name, "a folder without images"))
        elif not entry.is_file():
            skipped.append((name, "not a regular file"))
        elif not is_image_name(entry.name):
            kind = kind_of_file(entry)
            skipped.append((name, f"not an image by its suffix{f', its content is {kind}' if kind else ''}"))
        elif entry.stat().st_size > MAX_BYTES:
            skipped.append((name, f"over {MAX_BYTES} bytes"))
        else:
            files.append(entry.name)
    return files, skipped


def _holds_images(folder: Path) -> bool:
    return any(is_image_name(inner.name) for inner in _visible(folder))


def _visible(folder: Path) -> list[Path]:
    return sorted(entry for entry in folder.iterdir() if not is_ignored(entry.name))


def _unfit(entry: Path, root: Path) -> str | None:
    if printable(entry.name) != entry.name:
        return "its name is not UTF-8"
    if leaves(root, entry):
        return "a link that leads out of the folder"
    if entry.is_symlink() and not entry.exists():
        return "a link that leads nowhere"
    return None


@dataclass(frozen=True)
class _Table:
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

    def of_crops(self, cuts: Mapping[str, Cut]) -> "_Table":
        """The same of crops, by name; what was cut before keeps what that was cut from."""
        columns = tuple(dict.fromkeys([*(self.columns or ["file_name"]), SOURCE, SOURCE_PHASH]))
        rows: dict[str, Row] = {}
        for name, cut in cuts.items():
            row = {"file_name": name, **self.rows.get(name, {})}
            rows[name] = row if row.get(SOURCE) else {**row, SOURCE: cut.sha256, SOURCE_PHASH: cut.phash}
        return _Table(columns, rows)


def _read_metadata(folders: Sequence[Path], places: Mapping[str, _Place]) -> _Table:
    """What the ``metadata.csv`` in ``folders``, and the folders' own names, say of the images."""
    given: dict[str, Row] = {
        name: {"file_name": name, "split": place.split} for name, place in places.items() if place.split
    }
    columns = dict.fromkeys(["file_name", "split"] if given else ["file_name"])
    unmatched: list[str] = []
    files = [folder / METADATA for folder in dict.fromkeys(folders) if is_there(folder / METADATA)]
    for file in files:
        names = {
            place.file.relative_to(file.parent).as_posix(): name
            for name, place in places.items()
            if place.file.is_relative_to(file.parent)
        }
        metadata = read_metadata(file, names)
        unmatched += [row["file_name"] for row in metadata.unmatched]
        if len(files) == 1 and not given and not unmatched and metadata.verbatim and set(names) == set(places):
            return _Table(metadata.columns, {row["file_name"]: row for row in metadata.rows}, verbatim=file)
        columns |= dict.fromkeys(metadata.columns)
        for row in metadata.rows:
            name = names[row["file_name"]]
            known = given.get(name, {})
            given[name] = {**known, **row, "file_name": name, "split": row.get("split") or known.get("split", "")}
    if not files and not given:
        return _Table()
    return _Table(tuple(columns), given, unmatched=tuple(sorted(unmatched)))


def _take(source: Path, target: Path, link: bool) -> bool:
    """Hard-link or copy one file; True if linked."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if link:
        try:
            os.link(source.resolve(), target)
            return True
        except FileExistsError:
            # The copy would write through the link, into somebody's original.
            raise
        except OSError:
            # Another file system, one without links, or another user's file: the copy below tells of any other trouble.
            pass
    shutil.copyfile(source, target)
    return False
