"""What is in ``data/``, by file names and sizes: quick for any number of images."""

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from unicodedata import normalize

from facesent.core.errors import DataError
from facesent.core.files import DRAFT
from facesent.core.text import printable, some
from facesent.dataset.metadata import PROPOSED, parse

SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".gif"})
METADATA = "metadata.csv"
# MLflow takes names of 250 characters for measures, which hold the class.
_LONGEST_CLASS = 100
# What macOS adds to archives, network drives and Windows to folders; pictures in them are thumbnails or were deleted.
_OTHERS = frozenset({"__macosx", "@eadir", "#recycle", "@recycle", "#snapshot", "$recycle.bin", "lost+found"})


@dataclass(frozen=True)
class Contents:
    """A data folder by its file names and sizes; no pixels are read."""

    exists: bool
    classes: Mapping[str, int] = field(default_factory=dict)
    other_files: int = 0
    listed: bool = False
    """Whether metadata.csv is there."""
    bytes: int = 0
    groups: int | None = None
    proposed: int = 0
    """How many of the groups nobody gave."""

    @property
    def images(self) -> int:
        """Images in all class folders."""
        return sum(self.classes.values())

    @property
    def empty(self) -> bool:
        """No folder, or no file of any kind in it."""
        return not self.images and not self.other_files and not self.listed

    def __str__(self) -> str:
        """One line, such as ``40 images (Angry 20, Happy 20) and 1 other file``."""
        counts = ", ".join(f"{name} {count}" for name, count in self.classes.items())
        images = f"{self.images} images ({counts})" if counts else "no images"
        if self.listed and not counts:
            images = f"{images}, but {METADATA}"
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
        if folder and "/" not in folder and not is_ignored(folder) and is_image_name(file_name):
            classes[folder] += 1
        elif name != METADATA:
            others += 1
    groups = _groups(data_dir / METADATA)
    proposed = sum(group.startswith(PROPOSED) for group in groups)
    listed = (data_dir / METADATA).is_file()
    return Contents(True, dict(sorted(classes.items())), others, listed, size, len(groups) or None, proposed)


def label_of(name: str) -> str:
    """The class of an image, by its name ``<Class>/<image>``."""
    return name.partition("/")[0]


def is_image_name(name: str) -> bool:
    """Whether a file of that name counts as an image: by its suffix in any case, hidden files aside."""
    return not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES


def is_hidden_image(name: str) -> bool:
    """Whether a file of that name would be an image if it weren't hidden.

    What macOS puts beside each file of an archive, ``._*``, holds no picture and doesn't count.
    """
    return name.startswith(".") and not name.startswith("._") and is_image_name(name.lstrip("."))


def is_ignored(name: str) -> bool:
    """Whether a file or folder of that name is hidden, or a system's own: never a class, never an image."""
    return name.startswith(".") or name.casefold() in _OTHERS


def walk_files(folder: Path, prefix: str = "") -> Iterator[tuple[str, int]]:
    """Relative names, with forward slashes, and sizes of all that is no directory, but what a kill left of drafts."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(DRAFT):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from walk_files(Path(entry.path), f"{prefix}{entry.name}/")
            else:
                # DVC can be set to keep links to its cache in data/; a broken one still counts.
                yield f"{prefix}{entry.name}", entry.stat(follow_symlinks=Path(entry.path).is_file()).st_size


def _groups(metadata: Path) -> set[str]:
    try:
        return {row.get("group", "") for row in parse(metadata)[1]} - {""}
    except DataError:
        return set()


class Stamp(NamedTuple):
    """What the file system says of a file without reading it; times in nanoseconds."""

    size: int
    mtime: int
    ctime: int
    inode: int


class ImageFile(NamedTuple):
    """One file that counts as an image."""

    name: str
    """Relative to the data folder, with forward slashes; bytes that are no UTF-8 are shown as escapes."""
    path: str
    stamp: Stamp | None
    """None for a link: its target may change without it."""
    refusal: str | None
    """Why it must not be read, if so."""


def class_folders(data_dir: Path) -> list[str]:
    """The sorted names of the class folders: every folder in ``data_dir`` but what `is_ignored`.

    Raises:
        DataError: ``data_dir`` does not exist, or a class folder is a link that leaves it, has a reserved name, or one
            that is not UTF-8.
    """
    if not data_dir.is_dir():
        raise DataError(
            f"Expected class folders of images in {data_dir}. Received: no such folder. "
            "For the command that gets them: facesent data status"
        )
    folders = [path for path in sorted(data_dir.iterdir()) if path.is_dir() and not is_ignored(path.name)]
    for folder in folders:
        if leaves(data_dir.resolve(), folder):
            raise DataError(
                f"Expected class folders inside {data_dir}. Received: {folder.name} is a link out of it. Copy the "
                "images with `facesent data import DIR`."
            )
    _check_readable(data_dir, (folder.name for folder in folders))
    names = [folder.name for folder in folders]
    check_class_names(names)
    return names


def check_names(data_dir: Path) -> None:
    """Refuse files whose names are not UTF-8, on which DVC dies without naming one.

    Raises:
        DataError: there are such.
    """
    _check_readable(data_dir, (name for name, _ in walk_files(data_dir)))


def _check_readable(data_dir: Path, names: Iterable[str]) -> None:
    if wrong := sorted(printable(name) for name in names if printable(name) != name):
        raise DataError(
            f"Expected names in UTF-8 in {data_dir}. Received: {some(wrong)}. Rename them, such as "
            f"with `convmv -r --notest -f latin1 -t utf8 {data_dir}`."
        )


def image_files(data_dir: Path) -> list[ImageFile]:
    """The images in the class folders, sorted by name.

    Raises:
        DataError: as ``class_folders``; there are none.
    """
    classes = set(class_folders(data_dir))
    root = data_dir.resolve()
    found: list[ImageFile] = []
    with os.scandir(data_dir) as folders:
        for folder in folders:
            if folder.name in classes:
                with os.scandir(folder.path) as entries:
                    found += [_image_file(root, folder.name, entry) for entry in entries if _is_image(entry)]
    if not found:
        raise DataError(
            f"Expected images ({', '.join(sorted(SUFFIXES))}) in {data_dir}/<Class>/. "
            f"Received: none in the folders {', '.join(sorted(classes)) or '(no folders)'}."
            + in_deeper_folders(data_dir)
        )
    return sorted(found)


def stray_images(data_dir: Path) -> list[str]:
    """The sorted names of images that lie beside or below the class folders, and are therefore ignored."""
    return sorted(printable(name) for name in _strays(data_dir, "", 0))


def in_deeper_folders(data_dir: Path) -> str:
    """Where images lie below the class folders, as archives have them: what to do, after a space; else nothing."""
    deep = [name for name in stray_images(data_dir) if name.count("/") > 1]
    if not deep:
        return ""
    apart = data_dir.with_name(f"{data_dir.name}-unpacked")
    return (
        f" {len(deep)} lie deeper, such as {deep[0]}. Take them in from a folder apart: mv {data_dir} {apart} && "
        f"facesent data import {apart}"
    )


def other_files(data_dir: Path) -> list[str]:
    """The sorted names of files in the class folders that are no images by their suffix, and are therefore ignored."""
    return sorted(
        f"{folder}/{path.name}"
        for folder in class_folders(data_dir)
        for path in (data_dir / folder).iterdir()
        if path.is_file() and not is_ignored(path.name) and not is_image_name(path.name)
    )


def hidden_images(data_dir: Path) -> list[str]:
    """The sorted names of images in the class folders that are ignored, as they are hidden."""
    return sorted(
        printable(f"{folder}/{path.name}")
        for folder in class_folders(data_dir)
        for path in (data_dir / folder).iterdir()
        if is_hidden_image(path.name) and path.is_file()
    )


def _strays(folder: Path, prefix: str, depth: int) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if is_ignored(entry.name):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from _strays(Path(entry.path), f"{prefix}{entry.name}/", depth + 1)
            elif depth != 1 and _is_image(entry):
                yield prefix + entry.name


def _image_file(root: Path, folder: str, entry: "os.DirEntry[str]") -> ImageFile:
    name = f"{folder}/{entry.name}"
    if printable(name) != name:
        return ImageFile(printable(name), entry.path, None, "its name is not UTF-8")
    if entry.is_symlink():
        outside = leaves(root, Path(entry.path))
        return ImageFile(name, entry.path, None, "a link to a file outside the data folder" if outside else None)
    status = entry.stat()
    return ImageFile(
        name, entry.path, Stamp(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino), None
    )


def _is_image(entry: "os.DirEntry[str]") -> bool:
    return is_image_name(entry.name) and (entry.is_symlink() or entry.is_file())


def leaves(root: Path, path: Path) -> bool:
    """Whether ``path`` is a link that leads out of the folder ``root``, all links of which are resolved."""
    # Path.resolve raises on links that lead in a circle.
    return not Path(os.path.realpath(path)).is_relative_to(root)


def check_class_names(names: Iterable[str]) -> None:
    """Refuse classes that could not be told apart, or shown, in all that is written about them.

    Raises:
        DataError: a class is called ``UNCERTAIN``, in whatever case; one is longer than a measure's name in MLflow
            may be; two differ in case or punctuation alone, which that name does not keep; one has an accent as a
            letter of its own, so that it is not what people type.
    """
    # With it comes pandas, which flows that only look at names need not wait for.
    from facesent.images.rows import UNCERTAIN

    known: dict[str, str] = {}
    for name in names:
        if name.casefold() == UNCERTAIN:
            raise DataError(
                f"Expected no class folder called {UNCERTAIN!r}, the answer below serve.min_confidence. "
                f"Received: {name}. Rename the folder, or leave its images out."
            )
        if len(name) > _LONGEST_CLASS:
            raise DataError(
                f"Expected names of class folders with at most {_LONGEST_CLASS} characters. Received: {len(name)}, "
                f"{name[:40]}… Rename the folder."
            )
        letters = re.sub(r"[\W_]+", "_", normalize("NFC", name)).casefold()
        if (other := known.setdefault(letters, name)) != name:
            raise DataError(
                f"Expected names of class folders that differ in letters or digits. Received: {other} and {name}. "
                "Rename one, or put their images together."
            )
        if name != normalize("NFC", name):
            raise DataError(
                "Expected names of class folders with each accent in its letter (Unicode's form NFC). "
                f"Received: {name}, with accents beside their letters, as macOS may write them. Rename the folder, or "
                "move data/ away and take it with `facesent data import`, which writes them so."
            )
