"""Scan class folders of images: one row an image, with what is wrong with it."""

from collections.abc import Collection, Hashable, Sequence
from functools import partial
from pathlib import Path

import pandas as pd

from facesent.core.console import Progress
from facesent.core.errors import DataError
from facesent.dataset.files import METADATA, ImageFile, image_files, label_of
from facesent.dataset.measure import Facts, Reading, one_thread, read_facts
from facesent.dataset.metadata import COLUMNS as GIVEN
from facesent.dataset.metadata import read_metadata
from facesent.dataset.pool import WorkerError, map_in_processes
from facesent.dataset.scan_cache import ScanCache
from facesent.images.threads import cores

_DTYPES = {
    "file_name": "str", "label": "str", "group": "str", "split": "str", "source_sha256": "str",
    "source_phash": "str",
    "width": "Int64", "height": "Int64", "mode": "str", "format": "str", "bytes": "Int64",
    "sha256": "str", "phash": "str", "phash_mirrored": "str",
    "brightness": "float64", "contrast": "float64", "sharpness": "float64",
    "ok": "bool", "reason": "str",
}  # fmt: skip
COLUMNS = tuple(_DTYPES)
# So few images are measured sooner than processes start; so many at a time cost little to hand over.
_CHUNK = 64
CONFLICT = "same content under another label"


class ManifestError(DataError):
    """A decoder is in a state that no manifest can describe."""


def scan(
    data_dir: Path,
    *,
    max_pixels: int,
    exclude: Collection[str] = (),
    workers: int | None = None,
    cache: ScanCache | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Measure every image below ``data_dir`` and join ``metadata.csv``.

    Args:
        data_dir: holds ``<Class>/*`` with the suffixes of ``SUFFIXES`` and optionally ``metadata.csv``.
        max_pixels: images with more are not decoded.
        exclude: classes whose images are left out.
        workers: processes; by default one a core. The result does not depend on it.
        cache: of an earlier scan, which then has this one's rows. The result does not depend on it.
        progress: called with (images done, images in all).

    Returns:
        The columns of ``COLUMNS``, sorted by ``file_name``. Images that cannot be used have ``ok`` False and a
        ``reason``; nothing about a single image raises.

    Raises:
        DataError: no images, a wrong ``metadata.csv``, or a decoder that crashed.
    """
    cache = ScanCache() if cache is None else cache
    found = image_files(data_dir)
    given = _given(data_dir, [file.name for file in found])
    files = [file for file in found if label_of(file.name) not in exclude]
    names = [file.name for file in files]
    cache.forget_over(max_pixels)
    rows = _measure_all(files, max_pixels, cache, workers or cores(), progress)
    cache.update(files, rows)
    table = pd.DataFrame(rows, columns=Facts._fields)
    table.insert(0, "file_name", names)
    table.insert(1, "label", [label_of(name) for name in names])
    table = table.join(given, on="file_name")
    return mark_conflicts(table[list(COLUMNS)].astype(_DTYPES))


def _given(data_dir: Path, names: Sequence[str]) -> pd.DataFrame:
    """What ``metadata.csv`` gives each image that a manifest has; text, missing where it gives none."""
    rows = {row["file_name"]: row for row in read_metadata(data_dir / METADATA, names).rows}
    columns = GIVEN[1:]
    given = [[rows.get(name, {}).get(column) or None for column in columns] for name in names]
    return pd.DataFrame(given, index=list(names), columns=list(columns), dtype="str")


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


def _measure_all(
    files: Sequence[ImageFile], max_pixels: int, cache: ScanCache, workers: int, progress: Progress | None
) -> list[Facts]:
    """One row a file, in their order."""
    rows = {file.name: row for file in files if (row := _without_reading(file, cache))}
    left = [file for file in files if file.name not in rows]
    readings = [Reading(file.path, cache.candidates(file)) for file in left]
    job = partial(read_facts, max_pixels=max_pixels)
    results = map_in_processes(job, readings, workers=workers, chunk=_CHUNK, initializer=one_thread)
    if progress and rows:
        progress(len(rows), len(files))
    try:
        for file, facts in zip(left, results, strict=True):
            rows[file.name] = facts if facts.ok or facts.reason else cache.facts(facts.sha256)
            if progress:
                progress(len(rows), len(files))
    except WorkerError as error:
        raise ManifestError(f"{error} Remove the file, or report it to the maintainers of Pillow.") from None
    return [rows[file.name] for file in files]


def _without_reading(file: ImageFile, cache: ScanCache) -> Facts | None:
    return Facts(reason=file.refusal) if file.refusal else cache.row(file)
