"""Where images come from: a folder of class folders, or Kaggle."""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from facesent.core.console import Progress
from facesent.core.errors import DataError
from facesent.core.text import printable, some
from facesent.dataset.files import METADATA, is_ignored, is_image_name, leaves
from facesent.dataset.metadata import read_metadata
from facesent.images.kinds import is_picture, kind_of_file
from facesent.images.limits import MAX_BYTES
from facesent.sources.archive import DamagedArchiveError, unpack
from facesent.sources.kaggle import fetch_archive

KAGGLE_DATASET = "sujaykapadnis/emotion-recognition-dataset"


@dataclass(frozen=True)
class Imported:
    """What was taken from a source, and what was not.

    Attributes:
        images: how many.
        linked: how many of them share the source's file.
        skipped: (name relative to the source, reason), sorted.
        unmatched: names in ``metadata.csv`` without an image; their rows were left out.
    """

    images: int
    linked: int
    skipped: tuple[tuple[str, str], ...] = ()
    unmatched: tuple[str, ...] = ()


def import_folder(source: Path, incoming: Path, *, link: bool = False, progress: Progress | None = None) -> Imported:
    """Take the images of ``source/<Class>/`` and its ``metadata.csv`` into the new folder ``incoming``.

    Args:
        source: class folders of images; links that lead out of it are not followed.
        incoming: is made.
        link: hard-link the images, or copy where the file system cannot.
        progress: called with (images done, images in all).

    Raises:
        DataError: fewer than two classes, folders below the class folders, or a wrong ``metadata.csv``.
    """
    if not source.is_dir():
        raise DataError(f"Expected a folder of class folders of images. Received: {source}, no such folder.")
    classes, skipped = _survey(source)
    if len(classes) < 2:
        raise DataError(
            f"Expected images of at least two classes as {source}/<Class>/*.jpg, .png, .webp, .bmp or .gif. "
            f"Received: {some([f'{name} ({len(files)})' for name, files in classes.items()]) or 'none'}"
            + (f"; skipped {some([f'{name} ({reason})' for name, reason in skipped])}" if skipped else "")
        )
    names = [f"{label}/{name}" for label, files in classes.items() for name in files]
    table, unmatched = _read_metadata(source, names)
    linked = 0
    for done, name in enumerate(names, 1):
        linked += _take(source / name, incoming / name, link)
        if progress:
            progress(done, len(names))
    if table is not None:
        # Never a hard link: people edit this file in place.
        (incoming / METADATA).write_bytes(table)
    return Imported(len(names), linked, tuple(skipped), unmatched)


def download_kaggle(
    incoming: Path,
    *,
    downloads: Path,
    handle: str = KAGGLE_DATASET,
    progress: Progress | None = None,
) -> Imported:
    """Download a Kaggle dataset with the user's credentials into the new folder ``incoming``.

    Args:
        incoming: is made; gets the class folders, wherever they lie in the archive, and nothing beside them.
        downloads: keeps the archive, whole or in part, for the next try; on the file system of ``incoming``.
        handle: ``OWNER/DATASET``.
        progress: called with (bytes done, bytes in all).

    Raises:
        DataError: see `fetch_archive`, `unpack` and `import_folder`.
    """
    archive = fetch_archive(handle, downloads, progress=progress)
    unpacked = downloads / "unpacked"
    if unpacked.exists():
        shutil.rmtree(unpacked)
    try:
        too_long = [(f"{name[:40]}…", "its name is too long") for name in unpack(archive, unpacked)]
        imported = import_folder(_class_level(unpacked), incoming, link=True)
        return replace(imported, skipped=(*imported.skipped, *too_long))
    except DamagedArchiveError as error:
        archive.unlink()
        raise DataError(f"{error}. It was deleted; run it again.") from None
    finally:
        shutil.rmtree(unpacked, ignore_errors=True)


def _survey(source: Path) -> tuple[dict[str, list[str]], list[tuple[str, str]]]:
    """The sorted image names by class, and what is not taken with the reason."""
    root = source.resolve()
    classes: dict[str, list[str]] = {}
    skipped = []
    for entry in _visible(source):
        if reason := _unfit(entry, root):
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


def _refuse_to_lose(folder: Path, skipped: Sequence[tuple[str, str]]) -> None:
    """Refuse a class none of whose pictures is taken: without it the classes would be others."""
    pictures = [(name, reason) for name, reason in skipped if _looks_like_picture(folder.parent / name)]
    if pictures:
        name, reason = pictures[0]
        raise DataError(
            f"Expected images that can be taken in each class folder. Received: none in {folder.name}, but "
            f"{len(pictures)} others, such as {name} ({reason}). Save them there as JPEG or PNG with that suffix, or "
            "move the folder away."
        )


def _looks_like_picture(file: Path) -> bool:
    return is_image_name(file.name) or (file.is_file() and is_picture(kind_of_file(file)))


def _survey_class(folder: Path, root: Path) -> tuple[list[str], list[tuple[str, str]]]:
    files, skipped = [], []
    for entry in _visible(folder):
        name = f"{folder.name}/{printable(entry.name)}"
        if reason := _unfit(entry, root):
            skipped.append((name, reason))
        elif entry.is_dir():
            if any(is_image_name(inner.name) for inner in _visible(entry)):
                raise DataError(
                    f"Expected images directly in the class folders, {root.name}/<Class>/<image>. Received: images in "
                    f"{root.name}/{name}/. If {folder.name} is a part of a dataset that is split already, put the "
                    f"images of all parts into common class folders, and the part's name (train, val or test) into "
                    f"the column split of {METADATA}. If it is a level above the classes, import that folder."
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


def _read_metadata(source: Path, names: Sequence[str]) -> tuple[bytes | None, tuple[str, ...]]:
    """The bytes of ``metadata.csv`` for the images in ``names``, and the file names in it that are not among them."""
    path = source / METADATA
    if not path.is_file():
        return None, ()
    metadata = read_metadata(path, names)
    unmatched = tuple(sorted(row["file_name"] for row in metadata.unmatched))
    if metadata.verbatim and not unmatched:
        return path.read_bytes(), ()
    return metadata.text(metadata.rows).encode(), unmatched


def _take(source: Path, target: Path, link: bool) -> bool:
    """Hard-link or copy one file; True if linked."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if link:
        try:
            os.link(source.resolve(), target)
            return True
        except OSError:
            # Another file system, one without links, or another user's file: the copy below tells of any other trouble.
            pass
    shutil.copyfile(source, target)
    return False


def _class_level(folder: Path) -> Path:
    """Go down through levels that hold one folder only, such as the ``dataset/`` of Kaggle's archive."""
    while len(inner := [entry for entry in _visible(folder) if entry.is_dir()]) == 1:
        folder = inner[0]
    return folder
