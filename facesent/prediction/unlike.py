"""Whether an image is unlike those that a network was trained on, by how far it is from them before the head."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from facesent.images.reading import Pixels
from facesent.model.inference import compile_forward, in_batches

if TYPE_CHECKING:
    from facesent.model.backend import keras

Numbers = NDArray[np.float32]

UNLIKE_SHARE = 0.05
"""Of the validation images, each person counting once, that are called unlike."""
_BATCH = 64
_ROWS = 256


@dataclass(frozen=True)
class Known:
    """The training images as a network sees them.

    Attributes:
        embeddings: ``(images, features)`` of unit length.
        contents: the start of the SHA-256 of each.
        neighbours: how many of the nearest count.
        threshold: the distance beyond which an image is unlike them.
    """

    embeddings: Numbers
    contents: NDArray[np.str_]
    neighbours: int
    threshold: float

    def distances(self, embeddings: Numbers) -> Numbers:
        """The mean cosine distance to the nearest, ``(n,)``, of ``(n, features)``."""
        # In parts: all validation images beside all training images of a large set are more than memory holds.
        parts = np.array_split(_unit(embeddings), max(1, ceil(len(embeddings) / _ROWS)))
        return np.concatenate([self._distances(part) for part in parts])

    def _distances(self, unit: Numbers) -> Numbers:
        alike = unit @ self.embeddings.T
        count = min(self.neighbours, alike.shape[1])
        return np.asarray(1 - np.partition(alike, -count, axis=1)[:, -count:].mean(axis=1))

    def unlike(self, embeddings: Numbers) -> NDArray[np.bool_]:
        """Which are beyond the threshold, ``(n,)``, of ``(n, features)``."""
        return np.asarray(self.distances(embeddings) > self.threshold)

    def save(self, path: Path) -> None:
        """Write them, in float16: no picture comes back from that, but a person may be known by it."""
        np.savez(
            path, embeddings=self.embeddings.astype(np.float16), contents=self.contents, neighbours=self.neighbours,
            threshold=self.threshold,
        )  # fmt: skip

    @classmethod
    def load(cls, path: Path) -> "Known":
        """What ``save`` wrote."""
        with np.load(path, allow_pickle=False) as stored:
            embeddings = stored["embeddings"].astype(np.float32)
            return cls(embeddings, stored["contents"], int(stored["neighbours"]), float(stored["threshold"]))


def calibrated(train: Numbers, contents: Sequence[str], val: Numbers, people: Sequence[str], neighbours: int) -> Known:
    """Find the distance that ``UNLIKE_SHARE`` of the validation images are beyond.

    Args:
        train: embeddings of the training images, ``(n, features)``.
        contents: by which each of these is known.
        val: embeddings of the validation images, ``(m, features)``.
        people: the person of each of these; none of them is in ``train``.
        neighbours: how many of the nearest count.
    """
    known = Known(_unit(train).astype(np.float16).astype(np.float32), np.array(contents), neighbours, np.inf)
    distances = known.distances(val)
    names, person = np.unique(people, return_inverse=True)
    weights = 1 / (len(names) * np.bincount(person))[person]
    order = np.argsort(distances)
    place = int(np.searchsorted(np.cumsum(weights[order]), 1 - UNLIKE_SHARE))
    return replace(known, threshold=float(distances[order[min(place, len(order) - 1)]]))


def with_embedding(model: "keras.Model") -> "keras.Model":
    """A network that gives probabilities, and behind them what goes into its head: ``(n, classes + features)``."""
    from facesent.model.backend import keras
    from facesent.model.layers import MeanOfSides

    head = next(layer for layer in reversed(model.layers) if isinstance(layer, keras.layers.Dense))
    features = head.input
    if any(isinstance(layer, MeanOfSides) for layer in model.layers):
        features = MeanOfSides(dtype="float32", name="mean_of_features")(features)
    join = keras.layers.Concatenate(dtype="float32", name="with_embedding")
    return keras.Model(model.inputs[0], join([model.outputs[0], features]), name=model.name)


def embed(model: "keras.Model", images: Pixels) -> Numbers:
    """The embeddings of images: ``(n, size, size, 3)`` to ``(n, features)``."""
    forward = compile_forward(with_embedding(model))
    return np.concatenate(in_batches(forward, images, _BATCH))[:, model.output_shape[-1] :]


def _unit(embeddings: Numbers) -> Numbers:
    return np.asarray(embeddings / np.maximum(np.linalg.norm(embeddings, axis=1, keepdims=True), 1e-12))
