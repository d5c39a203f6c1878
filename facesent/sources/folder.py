"""Where images come from: a folder of class folders, a list of them, or a zip of either."""

import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from facesent.core.console import NO_PROGRESS, Progress
from facesent.core.cropping import DEFAULT_CROP, Crop
from facesent.core.errors import DataError
from facesent.dataset.files import METADATA, check_class_names, label_of
from facesent.sources.archive import DamagedArchiveError, unpack
from facesent.sources.cropping import cut_photos
from facesent.sources.lists import find_list, lay_out
from facesent.sources.metadata import SourceMetadata, read_source_metadata
from facesent.sources.packed import is_archive
from facesent.sources.store import carry
from facesent.sources.survey import Place, survey


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


def import_folder(
    source: Path,
    incoming: Path,
    *,
    link: bool = False,
    crop: Crop = DEFAULT_CROP,
    without: Collection[str] = (),
    least_classes: int = 2,
    progress: Progress = NO_PROGRESS,
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
        if source.is_file() and source.suffix.lower() == ".zip":
            what = "a broken or incomplete zip; copy or download it again"
        elif source.is_file() and is_archive(source.name):
            what = "an archive of another kind; unpack it, and import the folder"
        raise DataError(
            "Expected a folder of class folders of images, a zip of one, or a CSV with the columns emotion and pixels. "
            f"Received: {source}, {what}."
        )
    found = survey(source, crop, without)
    found.require_classes(least_classes)
    check_class_names(dict.fromkeys(map(label_of, found.places)))
    metadata = read_source_metadata(found.folders, found.places)
    if crop == "none":
        imported = _copy(found.places, metadata, incoming, link, progress)
        return replace(imported, skipped=tuple(found.skipped))
    imported = _cut(found.places, metadata, incoming, progress)
    named = [(found.places[name].file.relative_to(source).as_posix(), reason) for name, reason in imported.skipped]
    return replace(imported, skipped=tuple(sorted([*found.skipped, *named])))


def _copy(
    places: Mapping[str, Place], metadata: SourceMetadata, incoming: Path, link: bool, progress: Progress
) -> Imported:
    linked = 0
    for done, (name, place) in enumerate(places.items(), 1):
        linked += carry(place.file.resolve(), incoming / name, link=link)
        progress(done, len(places))
    if metadata.columns:
        # Never a hard link: people edit this file in place.
        (incoming / METADATA).write_bytes(metadata.content())
    return Imported(len(places), linked, unmatched=metadata.unmatched)


def _cut(places: Mapping[str, Place], metadata: SourceMetadata, incoming: Path, progress: Progress) -> Imported:
    """Take the faces; what is skipped is called by the name that its crop would have."""
    cuts = cut_photos({name: place.file for name, place in places.items()}, incoming, progress)
    faces = {name: cut for name, cut in cuts.items() if cut.sha256}
    skipped = tuple((name, cut.reason) for name, cut in cuts.items() if not cut.sha256)
    _refuse_to_lose_class(faces, skipped)
    (incoming / METADATA).write_bytes(metadata.of_crops(faces).content())
    return Imported(len(faces), 0, len(faces), skipped, metadata.unmatched)


def _refuse_to_lose_class(faces: Collection[str], skipped: Sequence[tuple[str, str]]) -> None:
    left = {label_of(name) for name in faces}
    if lost := [(name, reason) for name, reason in skipped if label_of(name) not in left]:
        name, reason = lost[0]
        label = label_of(name)
        raise DataError(
            f"Expected a face in at least one photo of each class. Received: none in {label}, such as {name} "
            f"({reason}). Leave it out with --without {label!r}, or take the photos as they are, without --crop."
        )


def import_source(
    source: Path, incoming: Path, laid_out: Path, *, progress: Progress = NO_PROGRESS, **options: Any
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
        raise DataError(f"{error} It was deleted; run it again.") from None
