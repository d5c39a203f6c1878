"""From faces to the column ``group`` of ``metadata.csv``, and from there into ``data/``."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from facesent.core.errors import DataError
from facesent.dataset.assignment import known as known_rows
from facesent.dataset.files import METADATA, ImageFile, image_files
from facesent.dataset.metadata import PROPOSED, Metadata, Row, read_metadata
from facesent.people.grouping import Faces, Numbers, centred, group_faces
from facesent.sources.store import Installed, carry_over, install, staging

THRESHOLD = 0.25
"""Of the cosine: as low as the largest share of a person's photos needs; see docs/data.md for what was measured."""
LARGEST_SHARE = 0.02
"""Of the images, that a group may have."""
_DIGITS = 12

Embeddings = Callable[[Mapping[str, Path]], Faces]


@dataclass(frozen=True)
class Proposal:
    """Which images get a group.

    Attributes:
        images: all that can be read: ``file_name``, ``label``, ``sha256``, ``before`` and ``group``, "" where none.
        files: all images as they were then.
        unreadable: how many cannot.
        bridges: the names of images that are like two groups that were there before.
        too_large: how many times groups were kept apart since they would be too large.
    """

    images: pd.DataFrame
    files: tuple[ImageFile, ...]
    unreadable: int
    bridges: tuple[str, ...]
    too_large: int

    @property
    def new(self) -> pd.DataFrame:
        """The images that get a group."""
        return self.images[self.images["group"] != self.images["before"]]

    @property
    def joined(self) -> pd.DataFrame:
        """Those of them whose group was there before."""
        return self.new[self.new["group"].isin(set(self.images["before"]))]

    @property
    def sizes(self) -> pd.Series:
        """Images of each group that is proposed, the largest first."""
        groups = self.images["group"][self.images["group"].str.startswith(PROPOSED)]
        return groups.value_counts().sort_index().sort_values(ascending=False, kind="stable")

    def torn(self, assignment: pd.DataFrame) -> pd.Series:
        """Images in each group with new members whose images sit in several splits so far."""
        touched = self.images[self.images["group"].isin(set(self.new["group"]))]
        splits = known_rows(assignment, touched["sha256"]).drop_duplicates("content").set_index("content")["split"]
        width = len(assignment["content"].iloc[0]) if len(assignment) else 0
        placed = touched.assign(split=touched["sha256"].str[:width].map(splits.to_dict()))
        found = placed.groupby("group")["split"].nunique()
        return touched["group"].value_counts()[found[found > 1].index]


def propose(manifest: pd.DataFrame, data_dir: Path, embeddings: Embeddings) -> Proposal:
    """Find a group for the images that have none, and leave those that have one as they are.

    Args:
        manifest: as ``scan`` gives it.
        data_dir: holds the images.
        embeddings: gives ``(n, d)`` for the images of n contents; it is not called where every image has a group.

    Raises:
        DataError: no image can be read.
    """
    images = manifest.loc[manifest["phash"].notna(), ["file_name", "label", "sha256"]]
    images = images.assign(before=manifest["group"].fillna(""))
    if images.empty:
        raise DataError(f"Expected images that can be read in {data_dir}. Received: none of {len(manifest)}.")
    unreadable, present = len(manifest) - len(images), tuple(image_files(data_dir))
    if (images["before"] != "").all():
        return Proposal(images.assign(group=images["before"]), present, unreadable, (), 0)
    by_sha256 = images.sort_values(["sha256", "file_name"]).groupby("sha256")
    first = by_sha256.agg(file_name=("file_name", "first"), images=("file_name", "size"), group=("before", "max"))
    files = {str(sha256): data_dir / name for sha256, name in first["file_name"].items()}
    names, numbers = np.unique(first["group"].to_numpy(dtype=np.str_), return_inverse=True)
    known = np.where(names[numbers] == "", -1, numbers).astype(np.int64)
    found = group_faces(
        centred(embeddings(files)), first["images"].to_numpy(np.int64), known,
        threshold=THRESHOLD, largest=max(2, int(LARGEST_SHARE * len(images))),
    )  # fmt: skip
    groups = _named(first.assign(label=found.labels))
    after = images["before"].mask(images["before"] == "", images["sha256"].map(groups.to_dict()))
    bridges = set(first.index[list(found.bridges)])
    names_of = images["file_name"][images["sha256"].isin(bridges)]
    return Proposal(images.assign(group=after), present, unreadable, tuple(names_of), found.too_large)


def known_people(manifest: pd.DataFrame, data_dir: Path) -> tuple[dict[str, Path], Numbers]:
    """The images of people that somebody named, by their SHA-256, and the number of each one's person.

    Raises:
        DataError: nobody has two photos.
    """
    named = manifest[manifest["phash"].notna() & ~manifest["group"].fillna(PROPOSED).str.startswith(PROPOSED)]
    named = named.drop_duplicates("sha256")
    if not named["group"].duplicated().any():
        raise DataError(
            f"Expected people with several photos in the column group of {data_dir / METADATA}. Received: none."
        )
    files = {sha256: data_dir / name for sha256, name in zip(named["sha256"], named["file_name"], strict=True)}
    return files, pd.factorize(named["group"])[0].astype(np.int64)


def _named(images: pd.DataFrame) -> pd.Series:
    """The group of each SHA-256, sorted: of its label's group that is there, a new one, or "" for one alone."""
    named = images["group"].groupby(images["label"]).transform("max")
    taken = set(images["group"])
    for _, rows in images[named == ""].groupby("label"):
        if len(rows) > 1:
            # Of a hash, no number: two copies of a project find one name for one group, and none is given again.
            fresh = (f"{PROPOSED}{sha256[:_DIGITS]}" for sha256 in rows.index)
            named[rows.index] = next(name for name in fresh if name not in taken)
    return named


def apply(proposal: Proposal, data_dir: Path) -> Installed:
    """Write the groups into ``metadata.csv`` and put the result under DVC; all else stays as it is.

    Raises:
        DataError: images came or went since they were looked at; or DVC refuses.
    """
    with staging(data_dir) as incoming:
        files = image_files(data_dir)
        if tuple(files) != proposal.files:
            raise DataError(
                f"Expected the images in {data_dir} to stay unchanged meanwhile. Received: other images. Run it again."
            )
        metadata = read_metadata(data_dir / METADATA, [image.name for image in files])
        groups = dict(zip(proposal.new["file_name"], proposal.new["group"], strict=True))
        carry_over(data_dir, incoming, names={}, without={METADATA})
        _write_with_groups(metadata, groups, incoming / METADATA)
        return install(incoming, data_dir, replace=True)


def _write_with_groups(metadata: Metadata, groups: Mapping[str, str], target: Path) -> None:
    there = metadata.columns if metadata.rows or metadata.rowless else ["file_name"]
    columns = tuple(dict.fromkeys([*there, "group"]))
    rows = [*metadata.rows, *({"file_name": name} for name in metadata.rowless if name in groups)]
    if not metadata.rows:
        rows = [{"file_name": name} for name in groups]
    filled: list[Row] = [dict.fromkeys(columns, "") | dict(row) for row in (*rows, *metadata.unmatched)]
    # Whoever gave a group meanwhile knows better.
    given = [{**row, "group": row["group"] or groups.get(row["file_name"], "")} for row in filled]
    Metadata(columns).write(target, given)
