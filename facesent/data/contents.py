"""What is in ``data/``, by file names and sizes: quick for any number of images."""

import csv
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp"})
METADATA = "metadata.csv"


@dataclass(frozen=True)
class Contents:
    """A data folder by its file names and sizes; no pixels are read."""

    exists: bool
    classes: Mapping[str, int] = field(default_factory=dict)
    other_files: int = 0
    bytes: int = 0
    groups: int | None = None

    @property
    def images(self) -> int:
        """Images in all class folders."""
        return sum(self.classes.values())

    @property
    def empty(self) -> bool:
        """No folder, or no file of any kind in it."""
        return not self.images and not self.other_files

    def __str__(self) -> str:
        """One line, such as ``40 images (Angry 20, Happy 20) and 1 other file``."""
        counts = ", ".join(f"{name} {count}" for name, count in self.classes.items())
        images = f"{self.images} images ({counts})" if counts else "no images"
        others = f"{self.other_files} other file{'s' if self.other_files > 1 else ''}"
        return f"{images} and {others}" if self.other_files else images


def describe(data_dir: Path) -> Contents:
    """Count what is in ``data_dir``: images by class in the order of their names, other files, bytes, groups."""
    if not data_dir.is_dir():
        return Contents(exists=False)
    classes: Counter[str] = Counter()
    size = others = 0
    for name, length in walk_files(data_dir):
        size += length
        folder, _, file_name = name.rpartition("/")
        if folder and "/" not in folder and is_image_name(file_name):
            classes[folder] += 1
        elif name != METADATA:
            others += 1
    return Contents(True, dict(sorted(classes.items())), others, size, _count_groups(data_dir / METADATA))


def is_image_name(name: str) -> bool:
    """Whether a file of that name counts as an image: by its suffix in any case, hidden files aside."""
    return not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES


def walk_files(folder: Path, prefix: str = "") -> Iterator[tuple[str, int]]:
    """Relative names, with forward slashes, and sizes of all that is no directory."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from walk_files(Path(entry.path), f"{prefix}{entry.name}/")
            else:
                # DVC can be set to keep links to its cache in data/; a broken one still counts.
                yield f"{prefix}{entry.name}", entry.stat(follow_symlinks=entry.is_file()).st_size


def _count_groups(metadata: Path) -> int | None:
    try:
        with metadata.open(encoding="utf-8-sig", newline="") as lines:
            groups = {row.get("group") for row in csv.DictReader(lines)} - {"", None}
    except (OSError, ValueError, csv.Error):
        return None
    return len(groups) or None
