"""How many linked images a split tears apart: what leaks from training into validation and test."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from facesent.data.links import Labels
from facesent.project import SPLITS


@dataclass(frozen=True)
class Crossing:
    """Linked images that do not sit in the same split."""

    pairs: int
    """Pairs of images of one cluster in two splits."""
    held_out: int
    """Images of val and test with another of their cluster in train."""


@dataclass(frozen=True)
class LinkKind:
    """One reason for which images belong together, and what became of it."""

    name: str
    clusters: int
    """Clusters of two images or more."""
    images: int
    """Images in them."""
    ungrouped: Crossing
    """In a random split that knows of no groups."""
    found: Crossing
    """In this split."""


def describe_link(name: str, labels: Labels, splits: NDArray[np.str_], ungrouped: NDArray[np.str_]) -> LinkKind:
    """Count the clusters ``labels``, shape (images,), and what two splits of the images, each (images,), tear apart."""
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


def counts_by_split(labels: Labels, splits: NDArray[np.str_]) -> NDArray[np.int64]:
    """Images of each cluster in each split, shape (clusters, splits)."""
    codes = pd.Categorical(splits, categories=list(SPLITS)).codes
    cells = np.bincount(labels * len(SPLITS) + codes, minlength=(int(labels.max(initial=-1)) + 1) * len(SPLITS))
    return cells.reshape(-1, len(SPLITS))
