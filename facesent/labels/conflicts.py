"""Contents under two labels or more: validate sets them all aside until a person says which label is right."""

from collections.abc import Collection
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import pandas as pd

from facesent.core.console import Progress
from facesent.core.errors import DataError
from facesent.dataset.files import label_of
from facesent.dataset.manifest import CONFLICT, scan
from facesent.dataset.scan_cache import ScanCache
from facesent.labels.queue import Queued, save_queue
from facesent.labels.relabel import refuse_to_lose_decisions
from facesent.labels.review import DROP

COLUMNS = ("number", "file_name", "given", "places", "decision", "sha256")


@dataclass(frozen=True)
class Rule:
    """What is decided of many contents at once: those of which a place matches the pattern."""

    pattern: str
    decision: str


def find_conflicts(
    data_dir: Path, *, max_pixels: int, cache: ScanCache | None = None, progress: Progress | None = None
) -> pd.DataFrame:
    """One row a content under several labels, sorted by its first place.

    Args:
        data_dir: holds the images.
        max_pixels: as in ``validate``.
        cache: of an earlier scan.
        progress: called with (images done, images in all).

    Returns:
        ``file_name`` (of the first place), ``given`` (the labels, joined by commas), ``places`` (all of them, a line
        each) and ``sha256``.
    """
    manifest = scan(data_dir, max_pixels=max_pixels, cache=cache, progress=progress)
    torn = manifest[manifest["reason"].fillna("").str.startswith(CONFLICT)]
    rows = [
        {
            "file_name": rows["file_name"].iloc[0],
            "given": ", ".join(sorted(rows["label"].unique())),
            "places": "\n".join(rows["file_name"]),
            "sha256": sha256,
        }
        for sha256, rows in torn.groupby("sha256")
    ]
    return pd.DataFrame(rows, columns=["file_name", "given", "places", "sha256"]).sort_values(
        "file_name", ignore_index=True
    )


def decided(conflicts: pd.DataFrame, rule: Rule | None) -> pd.DataFrame:
    """The conflicts with a column ``decision``: the rule's where it matches, else empty.

    Raises:
        DataError: the rule matches nothing, or decides for a label that a content does not have.
    """
    if rule is None:
        return conflicts.assign(decision="")
    matches = [any(fnmatchcase(place, rule.pattern) for place in places.split("\n")) for places in conflicts["places"]]
    if not any(matches):
        raise DataError(
            f"Expected a pattern that matches conflicting files. Received: {rule.pattern}, which matches none."
        )
    labels = map(_labels, conflicts["places"])
    wrong = [name for name, match, given in zip(conflicts["file_name"], matches, labels, strict=True)
             if match and rule.decision not in (DROP, *given)]  # fmt: skip
    if wrong:
        raise DataError(
            f"Expected a label that each of these images has, or {DROP}. Received: {rule.decision}, which "
            f"{len(wrong)} of {sum(matches)} do not have, such as {wrong[0]}."
        )
    return conflicts.assign(decision=[rule.decision if match else "" for match in matches])


def _labels(places: str) -> set[str]:
    """Of a content, by the class folders of its places."""
    return {label_of(place) for place in places.split("\n")}


def write_conflicts(conflicts: pd.DataFrame, data_dir: Path, output: Path, *, hidden: Collection[str]) -> Queued:
    """Write ``queue.csv`` and its pages into ``output``.

    Args:
        conflicts: as ``decided`` gives them.
        data_dir: holds the images.
        output: a folder; is made. A queue that is there is overwritten, unless it holds open decisions.
        hidden: classes of which no picture is shown.

    Raises:
        DataError: the queue that is there holds open decisions.
    """
    file = output / "queue.csv"
    refuse_to_lose_decisions(file, data_dir)
    queue = conflicts.assign(
        caption=conflicts["given"].str.replace(", ", " or\n", n=1),
        shown=[not _labels(places) & set(hidden) for places in conflicts["places"]],
    )
    pages = save_queue(queue, COLUMNS, data_dir, file, "Images with several labels")
    return Queued(file, tuple(pages), len(queue), 0)
