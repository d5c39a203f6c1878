"""Which images belong together: equal content, nearly equal pictures, the same person."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from facesent.core.paths import SPLITS

Labels = NDArray[np.int64]
Hashes = NDArray[np.uint64]
Pairs = tuple[Labels, Labels]
_HASH_BITS = 64
# Pairs compared at once: 32 MiB of 64-bit words, whatever the number of images.
_BLOCK = 1 << 22


def groups_of(values: pd.Series) -> Labels:
    """Number rows by their value, shape (rows,): equal values share a number, a missing value stands alone."""
    codes = pd.factorize(values)[0].astype(np.int64)
    alone = np.flatnonzero(codes < 0)
    codes[alone] = codes.max(initial=-1) + 1 + np.arange(len(alone))
    return codes


@dataclass(frozen=True)
class Pictures:
    """Distinct pictures and mirror images of pictures.

    Attributes:
        hashes: ``(entries,)``, the perceptual hash of each.
        mirrored: ``(entries,)``, that of its mirror image.
        seen: ``(entries,)``, whether it is a picture, and no mirror image of one.
        whole: ``(entries,)``, whether ``mirrored`` is known.
    """

    hashes: Hashes
    mirrored: Hashes
    seen: NDArray[np.bool_]
    whole: NDArray[np.bool_]

    def close(self, one: Labels, other: Labels, distance: int) -> tuple[Labels, Labels]:
        """The places in ``one`` and ``other`` of pairs that are nearly the same picture.

        A picture and a mirror image have to be alike in both forms, where both are known; two mirror images are as
        alike as the pictures are.
        """
        near = np.bitwise_count(self.hashes[one, None] ^ self.hashes[None, other]) <= distance
        left, right = np.nonzero(near & (self.seen[one, None] | self.seen[None, other]))
        one, other = one[left], other[right]
        also = np.bitwise_count(self.mirrored[one] ^ self.mirrored[other]) <= distance
        also |= ~(self.whole[one] & self.whole[other])
        kept = also | (self.seen[one] & self.seen[other])
        return one[kept], other[kept]


def near_duplicates(phash: pd.Series, mirrored: pd.Series, distance: int) -> Labels:
    """Number rows, shape (rows,): rows of pictures that are nearly the same, or mirror images, share one.

    The search is exact. By the pigeonhole principle two hashes at most ``distance`` bits apart agree wholly in at least
    one of ``distance`` + 1 bands of bits (Norouzi et al., "Fast exact search in Hamming space with multi-index
    hashing", 2014), so that only hashes that share a band are compared.

    Args:
        phash: 64-bit perceptual hashes as 16 hexadecimal digits; a missing one is like no other.
        mirrored: those of the mirror images, or missing; then to be like the other's mirror image suffices.
        distance: in bits, up to which hashes are those of nearly the same picture; 0 links equal hashes only.
    """
    pictures, rows, places = _forms(phash, mirrored)
    linked = _link(pictures, distance)
    # Each group of pictures is a node beside the rows; a row without a hash stands alone.
    return _components(len(phash) + len(linked), rows, len(phash) + linked[places])[: len(phash)]


class Neighbours:
    """Which images are nearly the same picture by themselves, and not over others.

    Pairs are not kept: a crowd of pictures that are all alike has as many as the square of its size.
    """

    def __init__(self, images: pd.DataFrame, distance: int) -> None:
        """Take ``images`` as ``looks`` takes them, and ``distance`` as ``near_duplicates`` does."""
        shown = looks(images)
        self._pictures, rows, self._places = _forms(shown["phash"], shown["mirrored"])
        self._rows = shown["row"].to_numpy()[rows]
        self._distance = distance

    def of(self, chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which images are like a chosen one, as all chosen ones with a hash are; both ``(images,)``."""
        near = np.zeros(len(self._pictures.hashes), bool)
        ones = np.unique(self._places[chosen[self._rows]])
        step = max(1, _BLOCK // max(1, len(near)))
        for start in range(0, len(ones), step):
            # What is found need not be found again: the first few of a crowd find all of it.
            near[self._pictures.close(ones[start : start + step], np.flatnonzero(~near), self._distance)[1]] = True
        found = np.zeros(len(chosen), bool)
        found[self._rows[near[self._places]]] = True
        return found


def _forms(phash: pd.Series, mirrored: pd.Series) -> tuple[Pictures, Labels, Labels]:
    """What rows look like: each its picture, and the mirror image where that is known.

    Returns:
        The distinct ones; the row of each form, and its place among the distinct ones.
    """
    known, both = phash.notna().to_numpy(), (phash.notna() & mirrored.notna()).to_numpy()
    as_seen = np.stack([numbers_of(phash[known]), numbers_of(mirrored[known].fillna("0"))], axis=1)
    hashes = np.concatenate([as_seen, as_seen[both[known]][:, ::-1]])
    seen = np.arange(len(hashes)) < len(as_seen)
    whole = np.concatenate([both[known], np.ones(both.sum(), bool)])
    table, places = np.unique(np.column_stack([hashes, seen, whole]).astype(np.uint64), axis=0, return_inverse=True)
    pictures = Pictures(table[:, 0], table[:, 1], table[:, 2] == 1, table[:, 3] == 1)
    return pictures, np.concatenate([np.flatnonzero(known), np.flatnonzero(both)]), places.reshape(-1)


def looks(images: pd.DataFrame) -> pd.DataFrame:
    """What images look like, and what the photos look like that some were cut from, as ``near_duplicates`` takes it.

    Args:
        images: with ``phash``, ``mirrored`` if it is known, and ``source_phash`` ("" where none is known).

    Returns:
        ``row``, the place among the images, ``phash`` and ``mirrored``; first come the images in their order.
    """
    images = images.reset_index(drop=True)
    photos = images["source_phash"][images["source_phash"] != ""]
    own = pd.DataFrame({"phash": images["phash"], "mirrored": images.get("mirrored")})
    whole = pd.DataFrame({"phash": photos.str[:16], "mirrored": photos.str[16:]})
    return pd.concat([own, whole]).reset_index(names="row")


def alike(images: pd.DataFrame, others: pd.DataFrame, distance: int) -> NDArray[np.bool_]:
    """Whether each image is nearly the same picture as another, or as its mirror image, or cut from such a photo.

    Args:
        images: as ``looks`` takes them; one without a ``phash`` is like no other.
        others: likewise.
        distance: in bits, up to which two pictures are nearly the same.

    Returns:
        ``(images,)``.
    """
    ours, theirs = looks(images).dropna(subset="phash"), looks(others)
    hashes = numbers_of(pd.concat([theirs["phash"], theirs["mirrored"]]).dropna())
    near = [bool((distances(phash, hashes) <= distance).any()) for phash in numbers_of(ours["phash"])]
    found = np.zeros(len(images), bool)
    found[ours["row"][near]] = True
    return found


def numbers_of(phash: pd.Series) -> Hashes:
    """Perceptual hashes, written as 16 hexadecimal digits, as 64-bit numbers; none may be missing."""
    return np.array([int(text, 16) for text in phash], dtype=np.uint64)


def distances(phash: np.uint64, others: Hashes) -> NDArray[np.uint8]:
    """In how many of 64 bits a perceptual hash differs from others, shape (others,)."""
    return np.asarray(np.bitwise_count(others ^ phash))


def join(rows: int, groupings: Sequence[Labels]) -> Labels:
    """Number ``rows`` rows so that two share a number when any chain of the groupings links them."""
    # Each group is a node of its own beside the rows: as many edges as rows, however large the groups are.
    offset, nodes, targets = rows, [], []
    for labels in groupings:
        nodes.append(np.arange(rows))
        targets.append(labels + offset)
        offset += int(labels.max(initial=-1)) + 1
    return _components(offset, np.concatenate(nodes), np.concatenate(targets))[:rows]


def _link(pictures: Pictures, distance: int) -> Labels:
    """Number distinct entries, shape (entries,): what is linked shares a number."""
    labels = np.arange(len(pictures.hashes))
    for shift, width in _bands(distance + 1):
        pending: list[Pairs] = []
        held = 0
        for bucket in _buckets((pictures.hashes >> np.uint64(shift)) & np.uint64((1 << width) - 1)):
            # A bucket that is one group already (a crowd of nearly black images, say) has nothing left to find.
            if (labels[bucket] == labels[bucket[0]]).all():
                continue
            for left, right in _close_pairs(pictures, bucket, distance):
                # Their groups of now: a merge gives the groups other numbers.
                left, right = labels[left], labels[right]
                pending.append((left[left < right], right[left < right]))
                held += len(pending[-1][0])
                if held > _BLOCK:
                    labels, pending, held = _merge(labels, pending), [], 0
        labels = _merge(labels, pending)
    return labels


def _bands(count: int) -> Iterator[tuple[int, int]]:
    """(first bit, number of bits) of ``count`` bands that make up the hash."""
    bounds = [_HASH_BITS * index // count for index in range(count + 1)]
    for start, end in pairwise(bounds):
        yield start, end - start


def _buckets(keys: Hashes) -> Iterator[Labels]:
    """The positions of each key that occurs at least twice."""
    order = np.argsort(keys, kind="stable")
    bounds = np.flatnonzero(np.diff(keys[order], prepend=~keys[order[:1]], append=~keys[order[-1:]]))
    for start, end in pairwise(bounds):
        if end - start > 1:
            yield order[start:end]


def _close_pairs(pictures: Pictures, bucket: Labels, distance: int) -> Iterator[Pairs]:
    """The pairs of entries in the bucket whose hashes are close, a block of comparisons at a time."""
    step = max(1, _BLOCK // len(bucket))
    for start in range(0, len(bucket), step):
        yield pictures.close(bucket[start : start + step], bucket, distance)


def _merge(labels: Labels, pairs: Sequence[Pairs]) -> Labels:
    if not pairs:
        return labels
    left, right = (np.concatenate(ends) for ends in zip(*pairs, strict=True))
    return _components(len(labels), left, right)[labels]


def _components(nodes: int, left: Labels, right: Labels) -> Labels:
    graph = coo_array((np.ones(len(left), dtype=bool), (left, right)), shape=(nodes, nodes))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)


@dataclass(frozen=True)
class Crossing:
    """Linked images that do not sit in the same split."""

    pairs: int
    """Pairs of images of one group in two splits."""
    held_out: int
    """Images of val and test with another of their group in train."""


@dataclass(frozen=True)
class LinkKind:
    """One reason for which images belong together, and what became of it."""

    name: str
    groups: int
    """Clusters of two images or more."""
    images: int
    """Images in them."""
    ungrouped: Crossing
    """In a random split that knows of no groups."""
    found: Crossing
    """In this split."""


def describe_link(name: str, labels: Labels, splits: NDArray[np.str_], ungrouped: NDArray[np.str_]) -> LinkKind:
    """Count the groups ``labels``, shape (images,), and what two splits of the images, each (images,), tear apart."""
    sizes = np.bincount(labels)
    several = sizes[sizes > 1]
    return LinkKind(name, len(several), int(several.sum()), crossing(labels, ungrouped), crossing(labels, splits))


def crossing(labels: Labels, splits: NDArray[np.str_]) -> Crossing:
    """Count what crosses; ``labels`` and ``splits`` (names of splits) have shape (images,)."""
    counts = counts_by_split(labels, splits)
    pairs = (counts.sum(axis=1) ** 2 - (counts**2).sum(axis=1)).sum() // 2
    train = counts[:, SPLITS.index("train")]
    held_out = counts.sum(axis=1) - train
    return Crossing(pairs=int(pairs), held_out=int(held_out[train > 0].sum()))


def counts_by_split(labels: Labels, splits: NDArray[np.str_], groups: int | None = None) -> NDArray[np.int64]:
    """Images of each group in each split, shape (groups, splits).

    Args:
        labels: the group of each image, shape (images,).
        splits: the name of each image's split, shape (images,).
        groups: how many there are; by default as many as have images.
    """
    codes = pd.Categorical(splits, categories=list(SPLITS)).codes
    groups = int(labels.max(initial=-1)) + 1 if groups is None else groups
    cells = np.bincount(labels * len(SPLITS) + codes, minlength=groups * len(SPLITS))
    return cells.reshape(-1, len(SPLITS))
