"""Group faces by likeness: mutual nearest neighbours, joined while the groups' mean likeness stays high.

Nothing here holds a table of all faces by all faces: likeness is computed for a block of faces at a time, of which only
the nearest neighbours are kept.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Faces = NDArray[np.float32]
Numbers = NDArray[np.int64]

NEIGHBOURS = 15
# Likenesses held at once: 64 MiB, whatever the number of faces.
_BLOCK = 1 << 24
_FREE = -1


@dataclass(frozen=True)
class Grouping:
    """Which faces were put together.

    Attributes:
        labels: ``(faces,)``, equal for faces of one group.
        bridges: faces that are like two groups that were there before; each is with the more like of them.
        too_large: how many times two groups were kept apart since together they would have been too large.
    """

    labels: Numbers
    bridges: tuple[int, ...]
    too_large: int


def centred(faces: Faces) -> Faces:
    """The faces ``(n, d)`` less what all have in common, of length 1; in place."""
    faces -= faces.mean(axis=0)
    faces /= np.maximum(np.linalg.norm(faces, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    return faces


def group_faces(faces: Faces, images: Numbers, known: Numbers, *, threshold: float, largest: int) -> Grouping:
    """Join the likest first, as long as two groups' faces are alike on average and few enough.

    It goes on with what is left alone until nothing more is joined, so that another call would change nothing.

    Args:
        faces: ``(n, d)`` of length 1.
        images: ``(n,)``, how many images have that face's content.
        known: ``(n,)``, the number of the group that a face is in already, below 0 where in none. Such groups stay:
            they may grow, but no two become one.
        threshold: on the cosine of two faces, and on its mean over the pairs of two groups.
        largest: images that a joined group may have.
    """
    there = known >= 0
    labels, bridges, too_large = known, set[int](), list[int]()
    while True:
        turn = _Turn(_Joined(faces, images, labels), labels, there, threshold, largest)
        for left, right in zip(*mutual_neighbours(faces, labels, threshold), strict=True):
            turn.take(int(left), int(right))
        bridges |= turn.bridges
        too_large.append(turn.too_large)
        found = turn.joined.labels()
        if not turn.joined.joins:
            # Every turn meets the groups of the first again.
            return Grouping(found, tuple(sorted(bridges)), too_large[0])
        labels = np.where((np.bincount(found, minlength=len(faces)) > 1)[found] | there, found, _FREE)


class _Turn:
    """One pass over the pairs of neighbours.

    Args:
        joined: the groups so far.
        labels: ``(n,)``, of the faces as the pass begins.
        there: ``(n,)``, which faces were in a group before all passes.
        threshold: as for ``group_faces``.
        largest: as for ``group_faces``.

    Attributes:
        bridges: faces that are like two of the groups that were there.
        too_large: how many times two groups were kept apart for their size.
    """

    def __init__(
        self, joined: "_Joined", labels: Numbers, there: NDArray[np.bool_], threshold: float, largest: int
    ) -> None:
        self.joined, self.bridges, self.too_large = joined, set[int](), 0
        self._there, self._threshold, self._largest = there, threshold, largest
        self._old = set(labels[there].tolist())

    def take(self, left: int, right: int) -> None:
        """Join the groups of two faces, if they may be one."""
        joined = self.joined
        one, other = joined.find(left), joined.find(right)
        if one == other:
            return
        groups = {int(joined.known[one]), int(joined.known[other])}
        if _FREE not in groups:
            # Both are known and stay two.
            if groups <= self._old:
                self._note_bridge(left, other)
                self._note_bridge(right, one)
        elif joined.alike(one, other, self._threshold):
            if joined.images[one] + joined.images[other] > self._largest:
                self.too_large += 1
            else:
                joined.join(one, other)

    def _note_bridge(self, face: int, group: int) -> None:
        if not self._there[face] and self.joined.like(face, group, self._threshold):
            self.bridges.add(face)


def mutual_neighbours(
    faces: Faces, known: Numbers, threshold: float, *, count: int = NEIGHBOURS, block: int = _BLOCK
) -> tuple[Numbers, Numbers]:
    """Pairs of faces each of which is among the ``count`` nearest of the other, the likest first.

    Args:
        faces: ``(n, d)`` of length 1.
        known: ``(n,)``, the groups that are there, below 0 for none: a pair has a face in none, and those of one group
            are not counted among each other's neighbours.
        threshold: pairs that are less alike are left out.
        count: neighbours of a face.
        block: how many likenesses are held at once.

    Returns:
        ``(pairs,)`` each, the smaller and the larger number of the two faces.
    """
    size, count = len(faces), min(count, len(faces) - 1)
    free = np.flatnonzero(known < 0)
    if count < 1 or not len(free):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    near, likeness = _nearest(faces, known, free, count, block)
    others = np.setdiff1d(near, free)
    back, likeness_back = _nearest(faces, known, others, count, block)
    one = np.repeat(np.concatenate([free, others]), count)
    other, likeness = np.concatenate([near, back]).reshape(-1), np.concatenate([likeness, likeness_back]).reshape(-1)
    pairs = np.minimum(one, other) * size + np.maximum(one, other)
    order = np.argsort(pairs, kind="stable")
    pairs, likeness = pairs[order], likeness[order]
    # What both name stands there twice.
    kept = np.flatnonzero((pairs[1:] == pairs[:-1]) & (likeness[1:] >= threshold)) + 1
    kept = kept[np.argsort(-likeness[kept], kind="stable")]
    return pairs[kept] // size, pairs[kept] % size


def _nearest(faces: Faces, known: Numbers, rows: Numbers, count: int, block: int) -> tuple[Numbers, Faces]:
    """The nearest neighbours of some faces and how alike they are, ``(rows, count)`` each."""
    near, alike = np.empty((len(rows), count), np.int64), np.empty((len(rows), count), np.float32)
    step = max(1, block // len(faces))
    for start in range(0, len(rows), step):
        chunk = rows[start : start + step]
        likeness = faces[chunk] @ faces.T
        likeness[(known[chunk, None] == known) & (known >= 0)] = -np.inf
        likeness[np.arange(len(chunk)), chunk] = -np.inf
        found = np.argpartition(likeness, -count, axis=1)[:, -count:]
        near[start : start + step] = found
        alike[start : start + step] = np.take_along_axis(likeness, found, axis=1)
    return near, alike


class _Joined:
    """Disjoint sets of faces, with the sum of each set's faces, from which their mean likeness comes."""

    def __init__(self, faces: Faces, images: Numbers, known: Numbers) -> None:
        self._faces = faces
        self._parent = np.arange(len(faces))
        self._sums: dict[int, Faces] = {}
        self._sizes = np.ones(len(faces), np.int64)
        self.joins = 0
        self.images = images.copy()
        self.known = np.full(len(faces), _FREE)
        first: dict[int, int] = {}
        for face in np.flatnonzero(known >= 0).tolist():
            root = first.setdefault(int(known[face]), face)
            if root != face:
                self.join(root, face)
            self.known[root] = known[face]
        # Of these sets, none so far.
        self.joins = 0

    def labels(self) -> Numbers:
        """``(n,)``, the set of each face."""
        return np.array([self.find(face) for face in range(len(self._faces))], dtype=np.int64)

    def find(self, face: int) -> int:
        """The set of a face."""
        while self._parent[face] != face:
            self._parent[face] = self._parent[self._parent[face]]
            face = int(self._parent[face])
        return face

    def alike(self, one: int, other: int, threshold: float) -> bool:
        """Whether two sets' faces are: by the mean cosine over their pairs."""
        return float(self._sum(one) @ self._sum(other)) >= threshold * float(self._sizes[one] * self._sizes[other])

    def like(self, face: int, group: int, threshold: float) -> bool:
        """Whether a face alone is like a set's faces."""
        return float(self._faces[face] @ self._sum(group)) >= threshold * float(self._sizes[group])

    def join(self, one: int, other: int) -> None:
        """Make one set of two; it belongs to the known group that either belongs to."""
        self.joins += 1
        self._sums[one] = self._sum(one) + self._sum(other)
        self._sums.pop(other, None)
        self._parent[other] = one
        self._sizes[one] += self._sizes[other]
        self.images[one] += self.images[other]
        self.known[one] = max(self.known[one], self.known[other])

    def _sum(self, root: int) -> Faces:
        return self._sums[root] if root in self._sums else np.asarray(self._faces[root], np.float32)
