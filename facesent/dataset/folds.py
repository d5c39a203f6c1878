"""Choose a share of the images: the same of each class, and never a part of a group."""

import warnings
from fractions import Fraction

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from facesent.dataset.similarity import Labels

Names = NDArray[np.str_]
Counts = NDArray[np.int64]

_MAX_FOLDS = 20
# A bundle is then a twentieth of a fold's part of a class: too little to unbalance it.
_BUNDLES_A_FOLD = 20


def draw(labels: Names, group: Labels, share: float, seed: int) -> NDArray[np.bool_]:
    """Choose whole groups that make up about ``share`` of each class: some of many stratified folds.

    Where it can be had, no class is mostly one group among the chosen images.

    Args:
        labels: the class of each image, ``(images,)``.
        group: equal numbers for images that belong together, ``(images,)``.
        share: of the images of each class, 0 to 1.
        seed: of the folds.

    Returns:
        Whether each image is chosen, ``(images,)``.
    """
    if share <= 0 or share >= 1 or not len(labels):
        return np.full(len(labels), share >= 1)
    # A class can be in no more folds than it has images; small ones are allowed to miss some.
    most = int(np.unique(labels, return_counts=True)[1].max())
    fraction = Fraction(share).limit_denominator(max(2, min(_MAX_FOLDS, most)))
    if not 0 < fraction < 1:
        fraction = Fraction(1, max(2, min(round(1 / share), most)))
    count = fraction.denominator
    folds = stratified_folds(labels, group, count, seed)
    groups = pd.DataFrame({"fold": folds, "label": labels, "group": group}).value_counts().groupby(["fold", "label"])
    images, largest = (
        table.unstack(fill_value=0).reindex(range(count), fill_value=0).to_numpy()
        for table in (groups.sum(), groups.max())
    )
    return np.isin(folds, _pick(images, largest, images.sum(axis=0) * share))


def stratified_folds(labels: Names, group: Labels, count: int, seed: int) -> Labels:
    """Number the fold of each image, ``(images,)`` from 0: of each class about the same share, whole groups.

    All are 0 where no class has ``count`` images, or there are fewer groups.

    Args:
        labels: the class of each image, ``(images,)``.
        group: equal numbers for images that belong together, ``(images,)``.
        count: of the folds.
        seed: of the folds.
    """
    return _folds(labels, _bundled(labels, group, count * _BUNDLES_A_FOLD, seed), count, seed)


def _pick(images: Counts, largest: Counts, goal: NDArray[np.float64]) -> list[int]:
    """Add folds, the best first, while that brings the images by class nearer to the goal.

    One large group makes the other folds smaller than their share, so that their number is not known beforehand.

    Args:
        images: by fold and class.
        largest: of them those of the largest group, by fold and class.
        goal: images by class.
    """
    picked: list[int] = []
    distance = np.inf
    while len(picked) < len(images):
        left = [fold for fold in range(len(images)) if fold not in picked]
        tried = [[*picked, fold] for fold in left]
        distances = [
            _distance(images[folds].sum(axis=0), largest[folds].max(axis=0), goal, images.sum(axis=0))
            for folds in tried
        ]
        if min(distances) >= distance:
            break
        distance = min(distances)
        picked = tried[int(np.argmin(distances))]
    return picked


def _distance(counts: Counts, largest: Counts, goal: NDArray[np.float64], total: Counts) -> float:
    """How far images by class are from the goal; a class wholly in or wholly out weighs more than any other error.

    They are counted twice, the second time without what the largest group of a class has more than all others
    together: what is measured on a class that is mostly one person says little about others.
    """
    missed = ((counts == 0) | (counts == total)).sum()
    varied = np.minimum(counts, 2 * (counts - largest))
    errors = np.abs(counts - goal) + np.abs(varied - goal)
    return float((errors / total).sum() + 2 * len(total) * missed)


def _bundled(labels: Names, group: Labels, bundles: int, seed: int) -> Labels:
    """Join single images of a class at random into at most ``bundles`` groups; smaller classes stay as they are.

    The folds are made one group after another in Python, half a millisecond each: with a group an image, 150,000 images
    would take minutes.
    """
    alone = np.flatnonzero(np.bincount(group)[group] == 1)
    singles = pd.DataFrame({"row": np.random.default_rng(seed % 2**32).permutation(alone)})
    singles["label"] = labels[singles["row"]]
    of_class = singles.groupby("label")["row"]
    size = -(-of_class.transform("size") // bundles)
    bundle = of_class.cumcount() // size
    joined = group.copy()
    joined[singles["row"]] = group[singles.groupby(["label", bundle])["row"].transform("first")]
    return joined


def _folds(labels: Names, group: Labels, count: int, seed: int) -> Labels:
    """Number the fold of each image, shape (images,)."""
    from sklearn.model_selection import StratifiedGroupKFold

    folds = np.zeros(len(labels), dtype=np.int64)
    if np.unique(labels, return_counts=True)[1].max() < count or len(np.unique(group)) < count:
        return folds
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
        splitter = StratifiedGroupKFold(count, shuffle=True, random_state=seed % 2**32)
        for fold, (_, rows) in enumerate(splitter.split(labels, labels, group)):
            folds[rows] = fold
    return folds
