"""Scan class folders of images: one row an image, with what is wrong with it."""

from collections.abc import Hashable, Iterable, Iterator
from functools import partial
from pathlib import Path

import cv2
import pandas as pd

from facesent.console import Progress
from facesent.data.contents import METADATA, SUFFIXES, is_image_name
from facesent.data.errors import DataError
from facesent.data.measure import Facts, measure
from facesent.data.processes import WorkerError, cores, map_in_processes
from facesent.project import SPLITS

_DTYPES = {
    "file_name": "str", "label": "str", "group": "str", "split": "str",
    "width": "Int64", "height": "Int64", "mode": "str", "format": "str", "bytes": "Int64",
    "sha256": "str", "phash": "str", "brightness": "float64", "contrast": "float64", "sharpness": "float64",
    "ok": "bool", "reason": "str",
}  # fmt: skip
COLUMNS = tuple(_DTYPES)
CONFLICT = "same content under another label"


class ManifestError(DataError):
    """The data folder, its metadata or a decoder is in a state that no manifest can describe."""


def scan(
    data_dir: Path, *, max_pixels: int, workers: int | None = None, progress: Progress | None = None
) -> pd.DataFrame:
    """Measure every image below ``data_dir`` and join ``metadata.csv``.

    Args:
        data_dir: holds ``<Class>/*.{jpg,jpeg,png,webp,bmp}`` and optionally ``metadata.csv``.
        max_pixels: images with more are not decoded.
        workers: processes; by default one a core. The result does not depend on it.
        progress: called with (images done, images in all).

    Returns:
        The columns of ``COLUMNS``, sorted by ``file_name``. Images that cannot be used have ``ok`` False and a
        ``reason``; nothing about a single image raises.

    Raises:
        ManifestError: no images, a wrong ``metadata.csv``, or a decoder that crashed.
    """
    paths = image_files(data_dir)
    names = [_name(data_dir, path) for path in paths]
    rows = []
    for facts in _measure_all(data_dir, paths, max_pixels, workers):
        rows.append(facts)
        if progress:
            progress(len(rows), len(paths))
    table = pd.DataFrame(rows, columns=Facts._fields)
    table.insert(0, "file_name", names)
    table.insert(1, "label", [name.split("/")[0] for name in names])
    table = table.merge(read_metadata(data_dir), how="left", on="file_name", validate="one_to_one")
    return mark_conflicts(table[list(COLUMNS)].astype(_DTYPES))


def class_folders(data_dir: Path) -> list[str]:
    """The sorted names of the class folders: every folder in ``data_dir`` that is not hidden.

    Raises:
        ManifestError: ``data_dir`` does not exist, or a class folder is a link that leaves it.
    """
    if not data_dir.is_dir():
        raise ManifestError(
            f"Expected class folders of images in {data_dir}. Received: no such folder. "
            "Get data with `facesent data sample`, `facesent data download` or `facesent data import DIR`."
        )
    folders = [path for path in sorted(data_dir.iterdir()) if path.is_dir() and not path.name.startswith(".")]
    for folder in folders:
        if _leaves(data_dir, folder):
            raise ManifestError(
                f"Expected class folders inside {data_dir}. Received: {folder.name} is a link to elsewhere. "
                f"Copy them with `facesent data import DIR`."
            )
    return [_printable(folder.name) for folder in folders]


def image_files(data_dir: Path) -> list[Path]:
    """The images in the class folders, sorted by their name relative to ``data_dir``.

    Raises:
        ManifestError: as ``class_folders``; there are none.
    """
    classes = class_folders(data_dir)
    found = [path for path in data_dir.glob("*/*") if _printable(path.parent.name) in classes and _is_image(path)]
    if not found:
        raise ManifestError(
            f"Expected images ({', '.join(sorted(SUFFIXES))}) in {data_dir}/<Class>/. "
            f"Received: none in the folders {', '.join(classes) or '(no folders)'}."
        )
    return sorted(found, key=lambda path: _name(data_dir, path))


def stray_images(data_dir: Path) -> list[str]:
    """The sorted names of images that lie beside or below the class folders, and are therefore ignored."""
    kept = set(image_files(data_dir))
    names = [_name(data_dir, path) for path in data_dir.rglob("*") if path not in kept and _is_image(path)]
    return sorted(name for name in names if not any(part.startswith(".") for part in name.split("/")))


def read_metadata(data_dir: Path) -> pd.DataFrame:
    """The columns file_name, group and split (text; missing where not given) of ``metadata.csv``; empty without it.

    Raises:
        ManifestError: not a CSV, no ``file_name``, a file named twice, or a split that is not train, val or test.
    """
    path = data_dir / METADATA
    if not path.is_file():
        return pd.DataFrame(columns=["file_name", "group", "split"], dtype="str")
    try:
        # Text throughout: a group "007" keeps its zeros, and a person may be called NA.
        table = pd.read_csv(path, dtype="str", keep_default_na=False, na_values=[""], encoding="utf-8-sig")
    except (ValueError, OSError) as error:
        raise ManifestError(f"Expected a CSV in UTF-8 in {path}. Received: {error}") from None
    if "file_name" not in table:
        raise ManifestError(f"Expected a column file_name in {path}. Received: {', '.join(table.columns)}")
    table = table.reindex(columns=["file_name", "group", "split"]).astype("str")
    _check_metadata(table, path)
    return table


def _check_metadata(table: pd.DataFrame, path: Path) -> None:
    if table["file_name"].isna().any():
        raise ManifestError(f"Expected a file_name in each row of {path}. Received: a row without one.")
    repeated = table.loc[table["file_name"].duplicated(), "file_name"].unique()
    if len(repeated):
        raise ManifestError(f"Expected each image once in {path}. Received twice or more: {_some(repeated)}")
    wrong = table[table["split"].notna() & ~table["split"].isin(SPLITS)]
    if len(wrong):
        examples = _some([f"{row.split} ({row.file_name})" for row in wrong.itertuples()])
        raise ManifestError(f"Expected train, val, test or nothing as split in {path}. Received: {examples}")


def mark_conflicts(table: pd.DataFrame) -> pd.DataFrame:
    """Set ``ok`` False on readable images whose very content also stands under another label."""
    readable = table[table["ok"]]
    labels = readable.groupby("sha256")["label"].transform("nunique")
    reasons: dict[Hashable, str] = {}
    for _, rows in readable[labels > 1].groupby("sha256"):
        for index, label in rows["label"].items():
            other = rows.loc[rows["label"] != label, "file_name"].iloc[0]
            reasons[index] = f"{CONFLICT}: {other}"
    return table.assign(
        ok=table["ok"] & ~table.index.isin(list(reasons)),
        reason=table["reason"].fillna(pd.Series(reasons, dtype="str")),
    )


def _measure_all(data_dir: Path, paths: list[Path], max_pixels: int, workers: int | None) -> Iterator[Facts]:
    job = partial(_measure_inside, data_dir.resolve(), max_pixels)
    try:
        yield from map_in_processes(job, paths, workers=workers or cores(), initializer=_one_thread)
    except WorkerError as error:
        raise ManifestError(f"{error} Remove the file, or report it to the maintainers of Pillow.") from None


def _one_thread() -> None:
    cv2.setNumThreads(1)


def _measure_inside(root: Path, max_pixels: int, path: Path) -> Facts:
    if _printable(path.name) != path.name:
        return Facts(reason="its name is not UTF-8")
    if path.is_symlink() and _leaves(root, path):
        return Facts(reason="a link to a file outside the data folder")
    return measure(path, max_pixels)


def _name(data_dir: Path, path: Path) -> str:
    return _printable(path.relative_to(data_dir).as_posix())


def _is_image(path: Path) -> bool:
    return is_image_name(path.name) and (path.is_file() or path.is_symlink())


def _leaves(root: Path, path: Path) -> bool:
    return not path.resolve().is_relative_to(root.resolve())


def _printable(name: str) -> str:
    """A name that can be written as UTF-8; bytes that are none are shown as escapes."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def _some(names: Iterable[str]) -> str:
    names = list(names)
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
