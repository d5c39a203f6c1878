"""Splits that ``metadata.csv`` gives, as a benchmark's own: what becomes of them where images are drawn beside."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from facesent.core.paths import SPLITS
from facesent.core.text import some


def topped_up(result: pd.DataFrame, given: NDArray[np.bool_]) -> Iterator[str]:
    """Warn of images in val or test that were drawn beside those that are given: its score is then of another set.

    Args:
        result: with the ``label``, the ``group`` and the ``split`` of each image.
        given: whether ``metadata.csv`` says the split of each.
    """
    for name in SPLITS[1:]:
        there = (result["split"] == name).to_numpy()
        own = there & given
        # What belongs to a given image follows it.
        drawn = there & ~result["group"].isin(result["group"][own]).to_numpy()
        if not drawn.any() or not own.any():
            continue
        way = f"set split.{name}: {_share(int(own.sum()), len(result))} in params.yaml and run: facesent data resplit"
        if lacking := sorted(set(result["label"]) - set(result["label"][there & ~drawn])):
            way = f"give images of {some(lacking)} that split too, as each class must be in it"
        yield (
            f"Of the images in {name}, metadata.csv gives {own.sum()}, and {drawn.sum()} more were drawn: what is "
            f"measured there is not of the given ones alone. To draw none for {name}, {way}"
        )


def _share(images: int, all_images: int) -> str:
    """The share that so many images are, rounded down, so that none is drawn to come to it."""
    digits = len(str(all_images))
    parts = images * 10**digits // all_images
    # Floating point may make a little more than the images of a share that is exact.
    parts -= parts / 10**digits * all_images > images
    return f"{parts / 10**digits:.{digits}f}".rstrip("0")
