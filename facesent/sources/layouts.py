"""Where the class folders lie in what people have."""

import os
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from facesent.dataset.files import is_ignored, is_image_name
from facesent.images.kinds import is_picture, kind_of_file

_PARTS = {
    "train": "train", "training": "train",
    "val": "val", "valid": "val", "validation": "val", "dev": "val", "eval": "val", "publictest": "val",
    "test": "test", "testing": "test", "privatetest": "test",
}  # fmt: skip

# Of a folder without a file that is an image by its name, so many files are opened to see what they are.
_LOOKED_INTO = 1000


def split_of(part: str) -> str:
    """The split that people mean by the name of a part, such as ``PublicTest`` or ``train_set``; else nothing."""
    letters = re.sub(r"[\W_]+", "", part).lower()
    return _PARTS.get(letters.removesuffix("set"), "")


def levels(folder: Path) -> list[Path]:
    """``folder``, and below it those that are alone at their level, such as the ``dataset/`` of an archive.

    The last one holds the classes or their parts.
    """
    found = [folder]
    while len(inner := list(_folders(found[-1]))) == 1 and _is_level(inner[0]):
        found.append(inner[0])
    return found


def parts(folder: Path) -> dict[Path, str]:
    """The folders of class folders in ``folder``, with their split; itself, without one, where it is not split.

    Folders without pictures beside them do not count. Without a part to validate on, or one to test on, the split of
    the training images is left open too, so that some are drawn for it.
    """
    named = {inner: split_of(inner.name) for inner in _folders(folder)}
    if sum(map(bool, named.values())) < 2:
        return {folder: ""}
    found = {inner: split for inner, split in named.items() if _holds_pictures(inner)}
    if not found or not all(found.values()) or not all(map(_is_level, found)):
        return {folder: ""}
    if len(found) == 1:
        return dict.fromkeys(found, "")
    whole = {"val", "test"} <= set(found.values())
    return found if whole else {path: split.replace("train", "") for path, split in found.items()}


def looks_like_picture(file: Path) -> bool:
    """Whether people take a file for a picture, by its name or its content."""
    return is_image_name(file.name) or (file.is_file() and is_picture(kind_of_file(file)))


def picture_below(folder: Path) -> Path | None:
    """A file in a folder, or however deep below it, that people take for a picture; None where there is none."""
    if named := next((file for file in files_below(folder) if is_image_name(file.name)), None):
        return named
    return next(filter(looks_like_picture, islice(files_below(folder), _LOOKED_INTO)), None)


def _holds_pictures(folder: Path) -> bool:
    # Where a link leads is looked at when the images are taken.
    return any(file.is_symlink() for file in files_below(folder)) or picture_below(folder) is not None


def files_below(folder: Path) -> Iterator[Path]:
    """All that is in a folder and in those below it, but the folders."""
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if is_ignored(entry.name):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from files_below(Path(entry.path))
            else:
                yield Path(entry.path)


def _is_level(folder: Path) -> bool:
    return any(_folders(folder)) and not any(is_image_name(entry.name) for entry in folder.iterdir())


def _folders(folder: Path) -> Iterator[Path]:
    return (entry for entry in sorted(folder.iterdir()) if entry.is_dir() and not is_ignored(entry.name))
