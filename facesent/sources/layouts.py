"""Where the class folders lie in what people have."""

from collections.abc import Iterator
from pathlib import Path

from facesent.dataset.files import is_ignored, is_image_name

_PARTS = {
    "train": "train", "training": "train", "test": "test", "testing": "test",
    "val": "val", "valid": "val", "validation": "val",
}  # fmt: skip


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

    Without a part to validate on, the split of the training images is left open too, so that some are drawn for it.
    """
    found = {inner: _PARTS.get(inner.name.lower(), "") for inner in _folders(folder)}
    if len(found) < 2 or not all(found.values()) or not all(map(_is_level, found)):
        return {folder: ""}
    return found if "val" in found.values() else {path: split.replace("train", "") for path, split in found.items()}


def _is_level(folder: Path) -> bool:
    return any(_folders(folder)) and not any(is_image_name(entry.name) for entry in folder.iterdir())


def _folders(folder: Path) -> Iterator[Path]:
    return (entry for entry in sorted(folder.iterdir()) if entry.is_dir() and not is_ignored(entry.name))
