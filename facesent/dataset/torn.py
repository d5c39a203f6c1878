"""Where each image's place is known already: from metadata.csv, from earlier splits, or from what it belongs to."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_array, hstack

from facesent.core.paths import SPLITS
from facesent.dataset.assignment import origins
from facesent.dataset.folds import Names
from facesent.dataset.similarity import Labels, Neighbours, counts_by_split

# With a width of its own: an array of empty names would cut what is written into it.
NAME = np.array(SPLITS).dtype


@dataclass(frozen=True)
class Settled:
    """The places that are known, and the images that have none because they stand between two.

    Attributes:
        places: ``(nodes,)`` names of splits, "" where nothing is known.
        left_out: why, by the row of the image.
    """

    places: Names
    left_out: Mapping[int, str]


def settle(nodes: pd.DataFrame, group: Labels, distance: int, *, keep_given: bool) -> Settled:
    """Let images without a place follow what they belong to, and leave out those that would tie two splits together.

    Nobody is moved. Of a group with members in one split, the others follow. Where a group stands in two splits, an
    image without a place follows what it is linked with itself, and is left out if that is in two splits; of two linked
    images that have places, the one in test stays, then the one in val.

    Args:
        nodes: a row an image, then a row for each remembered one that is gone: ``content``, ``person``, ``phash``,
            ``source``, ``source_phash``, ``mirrored`` (missing of what is gone), ``split`` ("" where none is known),
            ``given`` (whether metadata.csv says so) and ``image``.
        group: equal numbers for what belongs together, ``(nodes,)``.
        distance: in bits, up to which pictures are near duplicates.
        keep_given: whether linked images whose splits are both given stay, as a benchmark's own splits ask for.
    """
    places = nodes["split"].to_numpy(dtype=NAME).copy()
    placed = places != ""
    counts = counts_by_split(group[placed], places[placed], groups=int(group.max(initial=-1)) + 1)
    several = (counts > 0).sum(axis=1)
    follows = np.where(several == 1, np.array(SPLITS)[counts.argmax(axis=1)], "")
    places = np.where(placed, places, follows[group]).astype(NAME)
    left_out: dict[int, str] = {}
    torn = np.flatnonzero(several[group] > 1)
    for rows in pd.Series(torn).groupby(group[torn]):
        members = rows[1].to_numpy()
        knot = _Knot(nodes.iloc[members], _Ties.of(nodes.iloc[members], distance), places[members])
        knot.follow()
        knot.part(keep_given=keep_given)
        places[members] = knot.places
        left_out |= {int(members[row]): why for row, why in knot.left_out.items()}
    return Settled(places, left_out)


@dataclass(frozen=True)
class _Ties:
    """Which members of a group are linked by themselves, not over others.

    Attributes:
        shared: ``(members, keys)``, which contents, photos and people each has. Not as pairs: a person with ten
            thousand photos would make a hundred million.
        near: which are nearly the same picture.
    """

    shared: csr_array
    near: Neighbours

    @classmethod
    def of(cls, nodes: pd.DataFrame, distance: int) -> "_Ties":
        """Those of ``nodes``, as ``settle`` takes them."""
        keys = (nodes["content"], origins(nodes), nodes["person"].mask(nodes["person"] == ""))
        return cls(hstack([_key_table(values) for values in keys], format="csr"), Neighbours(nodes, distance))

    def touched(self, chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which columns of ``chosen``, ``(members, columns)``, have a member that each is linked with."""
        near = np.stack([self.near.of(column) for column in chosen.T], axis=1)
        return np.asarray((self.shared @ (self.shared.T @ chosen.astype(np.int64)) > 0) | near)

    def linked(self, row: int | np.intp) -> NDArray[np.bool_]:
        """Whether each member is linked with that one."""
        return self.touched(np.arange(self.shared.shape[0])[:, None] == row)[:, 0]


class _Knot:
    """A group with members in two splits or more."""

    def __init__(self, nodes: pd.DataFrame, ties: _Ties, places: Names) -> None:
        self._image = nodes["image"].to_numpy(dtype=bool)
        self._given = nodes["given"].to_numpy(dtype=bool)
        self._ties = ties
        self.places = places.copy()
        self.left_out: dict[int, str] = {}

    def follow(self) -> None:
        """Place what has no place with what it is linked with; what is linked with two splits is left out.

        One after the other, as each that has its place leads those that are linked with it. What is linked with nothing
        but images that are left out stays without a place, as it belongs to nobody.
        """
        touched = self._touched()
        # Where two of them are linked, those of test are first, as they have the say in ``part`` too.
        first = np.lexsort([np.arange(len(touched)), -touched.argmax(axis=1)])
        free = [row for row in first if self.places[row] == ""]
        while led := [row for row in free if touched[row].any()]:
            for row in led:
                splits = np.flatnonzero(touched[row])
                if len(splits) > 1:
                    self._leave_out(row, set(splits))
                else:
                    self.places[row] = SPLITS[splits[0]]
                    touched[self._ties.linked(row), splits[0]] = True
            free = [row for row in free if self.places[row] == "" and row not in self.left_out]

    def part(self, *, keep_given: bool) -> None:
        """Of linked images in two splits keep those of the split that is looked at last."""
        for name in ("val", "train"):
            later = np.isin(self.places, SPLITS[SPLITS.index(name) + 1 :]) & self._image
            for row in np.flatnonzero((self.places == name) & self._image):
                linked = np.flatnonzero(self._ties.linked(row) & later)
                if keep_given and self._given[row]:
                    linked = linked[~self._given[linked]]
                if len(linked):
                    self._leave_out(row, {SPLITS.index(name), SPLITS.index(str(self.places[linked[0]]))})

    def _touched(self) -> NDArray[np.bool_]:
        """Which splits each member is linked with, ``(members, splits)``."""
        return self._ties.touched(np.stack([self.places == name for name in SPLITS], axis=1))

    def _leave_out(self, row: np.intp, splits: set[int]) -> None:
        names = [SPLITS[index] for index in sorted(splits)]
        self.left_out[int(row)] = f"it belongs to images in {' and '.join(names)}"
        self.places[row] = ""


def _key_table(values: pd.Series) -> csr_array:
    """``(rows, values)``, a one where a row has a value; a missing one is none."""
    codes = pd.factorize(values)[0]
    rows = np.flatnonzero(codes >= 0)
    shape = (len(codes), int(codes.max(initial=-1)) + 1)
    return csr_array((np.ones(len(rows), np.int64), (rows, codes[rows])), shape=shape)
