"""Soft targets: what other networks answered to the training images, as a part of what this one learns.

Source: Hinton et al. 2015, Distilling the knowledge in a neural network (arXiv:1503.02531).
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from facesent.core.errors import FacesentError
from facesent.core.files import sha256
from facesent.images.augmentation.mixing import SoftTargets
from facesent.images.batches import one_hot, targets_of
from facesent.images.rows import PROBABILITY
from facesent.training.settings import Distillation

IMAGE, LABEL = "sha256", "label"
# What rounding in the file may add to a sum of probabilities, or take from it.
_ROUNDING = 1e-3
_AGAIN = "Train teachers, with their settings in params.yaml: python -m flows.distillation --apply"


class SoftTargetsError(FacesentError):
    """The soft targets are not there, or not those of these images and classes."""


def mixed_targets(settings: Distillation, images: pd.DataFrame, labels: Sequence[str]) -> SoftTargets | None:
    """What the network has to answer: labels and soft targets, in the shares that the settings say.

    Args:
        settings: which file, and its share.
        images: those of ``train``, with ``label`` and ``sha256``.
        labels: the classes.

    Returns:
        ``(images, classes)``, each row with the sum 1; None where there are labels alone.

    Raises:
        SoftTargetsError: the file is missing, or of other content, images or classes.
    """
    if not settings.is_on:
        return None
    table = _of_images(_read(settings), images, settings.soft_targets)
    soft = _probabilities(table, labels, settings.soft_targets)
    hard = one_hot(targets_of(list(images["label"]), labels), len(labels))
    return ((1 - settings.weight) * hard + settings.weight * soft).astype(np.float32)


def _read(settings: Distillation) -> pd.DataFrame:
    path = Path(settings.soft_targets)
    if not path.is_file():
        raise SoftTargetsError(
            f"Expected soft targets in {path} (train.distillation.soft_targets). Received: no such file. "
            f"{_restore(path)}"
        )
    if (found := sha256(path)) != settings.soft_targets_sha256:
        raise SoftTargetsError(
            f"Expected {path} with the SHA-256 {settings.soft_targets_sha256} "
            f"(train.distillation.soft_targets_sha256). Received: {found}. {_restore(path)}"
        )
    # Not at a carriage return, which a class's name may hold.
    table = pd.read_csv(path, dtype={IMAGE: str, LABEL: str}, keep_default_na=False, lineterminator="\n")
    if missing := [name for name in (IMAGE, LABEL) if name not in table]:
        raise SoftTargetsError(f"Expected a column {missing[0]} in {path}. Received: {list(table.columns)}. {_AGAIN}")
    return table


def _restore(path: Path) -> str:
    return f"Take the file and params.yaml from one commit: git checkout COMMIT -- {path} params.yaml. Or: {_AGAIN}"


def _of_images(table: pd.DataFrame, images: pd.DataFrame, path: str) -> pd.DataFrame:
    """The probabilities in the order of the images.

    Others than these would be images that val or test may hold today: the networks that answered learned from all of
    their images.
    """
    known = table.drop_duplicates(IMAGE).set_index(IMAGE)
    missing, others = ~images[IMAGE].isin(known.index), ~known.index.isin(images[IMAGE])
    relabelled = known[LABEL].reindex(images[IMAGE]).to_numpy() != images[LABEL].to_numpy()
    if missing.any() or others.any() or relabelled.any():
        raise SoftTargetsError(
            f"Expected soft targets of exactly the {len(images)} images of train, with their labels, in {path}. "
            f"Received: without soft targets: {missing.sum()}; with another label: {(relabelled & ~missing).sum()}; "
            f"rows of other images, which may be in val or test now: {others.sum()}. {_AGAIN}"
        )
    return known.loc[images[IMAGE]].drop(columns=LABEL)


def _probabilities(table: pd.DataFrame, labels: Sequence[str], path: str) -> SoftTargets:
    expected, received = [PROBABILITY + label for label in labels], list(table.columns)
    if sorted(received) != sorted(expected):
        raise SoftTargetsError(f"Expected the columns {', '.join(expected)} in {path}. Received: {received}. {_AGAIN}")
    values = table[expected].apply(pd.to_numeric, errors="coerce").to_numpy(np.float64)
    sums = values.sum(axis=1)
    if not ((values >= 0).all() and (np.abs(sums - 1) < _ROUNDING).all()):
        raise SoftTargetsError(
            f"Expected probabilities with the sum 1 in each row of {path}. Received: other values. {_AGAIN}"
        )
    return np.asarray(values / sums[:, None], np.float32)
