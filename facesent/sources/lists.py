"""Datasets whose classes stand in a list, laid out as class folders: FER2013's table of pixels, and RAF-DB."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from facesent.core.console import NO_PROGRESS, Progress
from facesent.core.errors import DataError
from facesent.core.text import some
from facesent.dataset.files import METADATA, is_ignored, is_image_name, leaves, walk_files
from facesent.sources.layouts import split_of
from facesent.sources.store import carry

Skipped = list[tuple[str, str]]
_FER_CLASSES = ("Angry", "Disgust", "Fear", "Happy", "Sad", "Surprise", "Neutral")
_FER_SIDE = 48
_FER_LETTERS = frozenset("0123456789 ")
# A row has at most 4 bytes a pixel, and few beside.
_LONGEST_ROW = 16_384
_RAF_LIST = "list_patition_label.txt"
_RAF_CLASSES = ("Surprise", "Fear", "Disgust", "Happy", "Sad", "Angry", "Neutral")


def find_list(source: Path) -> Path | None:
    """The list in a folder, or the file itself, that says the classes of its images; None where there is none.

    A table of pixels counts only in a folder without images: class folders say more.

    Raises:
        DataError: there are several tables of pixels.
    """
    if not source.is_dir():
        return source if _has_pixels(source) else None
    names = [name for name, _ in walk_files(source) if not any(map(is_ignored, PurePosixPath(name).parts))]
    if found := next((name for name in names if PurePosixPath(name).name == _RAF_LIST), None):
        return source / found
    if any(map(is_image_name, names)):
        return None
    tables = [source / name for name in sorted(names) if name.lower().endswith(".csv") and _has_pixels(source / name)]
    if len(tables) > 1:
        raise DataError(
            f"Expected one table with the columns emotion and pixels in {source}. Received: "
            f"{some(table.name for table in tables)}. Put their rows into one file, with the part of each in the "
            "column Usage: Training, PublicTest or PrivateTest."
        )
    return tables[0] if tables else None


def lay_out(source: Path, listed: Path, folder: Path, progress: Progress = NO_PROGRESS) -> Skipped:
    """Make class folders of what a list names, in ``folder``, and in ``train``, ``val`` and ``test`` there.

    Args:
        source: holds the images, if the list doesn't.
        listed: the list, from ``find_list``.
        folder: is made.
        progress: called with (images done, 0).

    Returns:
        (row, why it was left out).

    Raises:
        DataError: no row can be used, or a ``metadata.csv`` names the images too.
    """
    if (source / METADATA).is_file():
        raise DataError(
            f"Expected no {METADATA} beside {listed.name}, which gives the images other names. Received: one in "
            f"{source}. Import without it, and put its columns into {METADATA} of the data folder then."
        )
    skipped: Skipped = []
    rows = _raf_rows(source, listed, folder) if listed.name == _RAF_LIST else _fer_rows(listed, folder)
    done = 0
    for number, trouble in rows:
        if trouble:
            skipped.append((f"{listed.name} row {number}", trouble))
        else:
            done += 1
            progress(done, 0)
    if not done:
        received = f"{len(skipped)} that are wrong, such as {': '.join(skipped[0])}" if skipped else "none"
        raise DataError(f"Expected rows of images in {listed}. Received: {received}.")
    if listed.name == _RAF_LIST:
        skipped += _not_listed(source, folder)
    return skipped


def _has_pixels(file: Path) -> bool:
    return file.is_file() and {"emotion", "pixels"} <= set(_columns(next(_lines(file), "")))


def _lines(file: Path) -> Iterator[str]:
    """The lines, of one that is too long the first part; a file of one line of gigabytes is not taken into memory."""
    with file.open(encoding="utf-8-sig", errors="replace", newline="") as lines:
        while line := lines.readline(_LONGEST_ROW):
            yield line
            while len(line) == _LONGEST_ROW and not line.endswith("\n"):
                line = lines.readline(_LONGEST_ROW)


def _cells(line: str) -> list[str]:
    try:
        return [cell.strip() for cell in next(csv.reader([line]), [])]
    except csv.Error:
        return []


def _columns(line: str) -> list[str]:
    return [cell.lower() for cell in _cells(line)]


def _fer_rows(table: Path, folder: Path) -> Iterator[tuple[int, str]]:
    """Write each row's image; its number in the file, and why it could not be."""
    lines = _lines(table)
    columns = _columns(next(lines))
    for number, line in enumerate(lines, 2):
        if line.strip():
            row = dict.fromkeys(columns, "") | dict(zip(columns, _cells(line), strict=False))
            yield number, _fer_row(row, number, folder)


def _fer_row(row: dict[str, str], number: int, folder: Path) -> str:
    emotion, split = row["emotion"], split_of(row.get("usage", "Training"))
    if emotion not in map(str, range(len(_FER_CLASSES))):
        return f"its emotion is not a number from 0 to {len(_FER_CLASSES) - 1}"
    if not split:
        return "its usage is not Training, PublicTest or PrivateTest"
    pixels = (
        np.fromstring(row["pixels"], sep=" ", dtype=np.int64) if set(row["pixels"]) <= _FER_LETTERS else np.zeros(0)
    )
    if len(pixels) != _FER_SIDE**2 or pixels.max() > 255:
        return f"its pixels are not {_FER_SIDE} x {_FER_SIDE} numbers from 0 to 255"
    file = folder / split / _FER_CLASSES[int(emotion)] / f"{number:05}.png"
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype(np.uint8).reshape(_FER_SIDE, _FER_SIDE)).save(file)
    return ""


def _raf_rows(source: Path, listed: Path, folder: Path) -> Iterator[tuple[int, str]]:
    """Link each row's image; its number in the file, and why it could not be."""
    images = _images_by_name(source)
    rows = [line.split() for line in listed.read_text(encoding="utf-8", errors="replace").splitlines()]
    parted = all(row[0].startswith(("train_", "test_")) for row in rows if row)
    for number, row in enumerate(rows, 1):
        if row:
            yield number, _raf_row(row, images, source, folder, parted=parted)


def _images_by_name(source: Path) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for name, _ in sorted(walk_files(source)):
        if is_image_name(PurePosixPath(name).name) and not any(map(is_ignored, PurePosixPath(name).parts)):
            found.setdefault(PurePosixPath(name).name, []).append(source / name)
    return found


def _not_listed(source: Path, folder: Path) -> Skipped:
    """The images of which no row was taken, nor of another cut of them."""
    taken = {path.stem.removesuffix("_aligned") for path in folder.rglob("*") if path.is_file()}
    return [
        (files[0].relative_to(source).as_posix(), f"not in {_RAF_LIST}")
        for name, files in _images_by_name(source).items()
        if PurePosixPath(name).stem.removesuffix("_aligned") not in taken
    ]


def _raf_row(row: Sequence[str], images: dict[str, list[Path]], source: Path, folder: Path, *, parted: bool) -> str:
    if len(row) != 2 or row[1] not in map(str, range(1, len(_RAF_CLASSES) + 1)):
        return f"it is not a name with a number from 1 to {len(_RAF_CLASSES)}"
    name = PurePosixPath(row[0])
    # Faces cut out and turned upright are called so.
    files = images.get(f"{name.stem}_aligned{name.suffix}") or images.get(row[0]) or []
    if len(files) > 1:
        return f"{len(files)} images are called {files[0].name}"
    if not files or leaves(source.resolve(), files[0]) or not files[0].is_file():
        return "no such image"
    [file] = files
    part = name.name.split("_")[0] if parted else ""
    target = folder / part / _RAF_CLASSES[int(row[1]) - 1] / file.name
    if target.exists():
        return "it occurs twice"
    # What a link says of its target holds only where the link lies.
    carry(file.resolve(), target, link=True)
    return ""
