"""Accuracy on parts of the test images that have something in common: where a model is weakest."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from facesent.evaluation.intervals import Estimate, share_of_groups

Finding = Literal["too few", "weaker", "better", "no difference"]

# Of fewer images nothing is said: the interval of 5 right ones of 10 is 24 % to 76 %.
LEAST_IMAGES = 10
# Of an attribute's range, each with about as many images.
_PARTS = 3
ATTRIBUTES = {
    "brightness": ("dark", "medium", "bright"),
    "sharpness": ("blurred", "medium", "sharp"),
    "size": ("small", "medium", "large"),
}


@dataclass(frozen=True)
class Slice:
    """Some of the images.

    Attributes:
        attribute: by which they were chosen: ``class``, ``brightness`` (mean luma, 0..255), ``sharpness`` (variance of
            the Laplacian) or ``size`` (shorter side in pixels).
        name: of the part: the class, or as ``dark``.
        bounds: the least and the largest value in it; None for a class.
        accuracy: on it.
        finding: "too few" for less than ``LEAST_IMAGES`` images; "weaker" or "better" where the accuracy on all images
            is outside the interval.
    """

    attribute: str
    name: str
    bounds: tuple[float, float] | None
    accuracy: Estimate
    finding: Finding


def slices(facts: pd.DataFrame, correct: NDArray[np.bool_], confidence_level: float) -> list[Slice]:
    """Accuracy by class, brightness, sharpness and size; the weakest first, slices with too few images last.

    Args:
        facts: ``n`` rows, ``label``, ``group`` (images of one person share one) and, where they are known,
            ``brightness``, ``sharpness``, ``width``, ``height``. An attribute with one value only gives no slices.
        correct: ``(n,)``, whether each image is answered right.
        confidence_level: of the intervals.
    """
    overall = float(correct.mean()) if len(correct) else 0.0
    found = []
    for attribute, name, bounds, member in _parts(facts):
        accuracy = share_of_groups(correct[member], facts["group"][member].tolist(), confidence_level)
        found.append(Slice(attribute, name, bounds, accuracy, finding_of(accuracy, overall, accuracy.images)))
    return sorted(found, key=lambda part: (part.finding == "too few", part.accuracy.value, part.attribute, part.name))


def _parts(facts: pd.DataFrame) -> Iterator[tuple[str, str, tuple[float, float] | None, NDArray[np.bool_]]]:
    """Attribute, name, bounds and members ``(n,)`` of each slice."""
    for label in sorted(facts["label"].unique()):
        yield "class", label, None, (facts["label"] == label).to_numpy()
    for attribute, names in ATTRIBUTES.items():
        values = _values(facts, attribute)
        third = _thirds(values)
        numbers = sorted(third.dropna().unique())
        shown = names if len(numbers) == len(names) else (names[0], names[-1])
        for number, name in zip(numbers, shown, strict=True) if len(numbers) > 1 else ():
            member = (third == number).to_numpy()
            yield attribute, name, (float(values[member].min()), float(values[member].max())), member


def _values(facts: pd.DataFrame, attribute: str) -> "pd.Series[float]":
    columns = ["width", "height"] if attribute == "size" else [attribute]
    return facts.reindex(columns=columns).min(axis=1).astype(float)


def _thirds(values: "pd.Series[float]") -> "pd.Series[float]":
    """Number of each value's part; of few different values each is a part, as quantiles would fall onto one another."""
    if values.nunique() <= _PARTS:
        return values.rank(method="dense")
    return pd.Series(pd.qcut(values, _PARTS, labels=False, duplicates="drop"), values.index)


def finding_of(accuracy: Estimate, overall: float, counted: int, least: int = LEAST_IMAGES) -> Finding:
    """What can be said of a part, of which ``counted`` images or people are known."""
    if counted < least:
        return "too few"
    if accuracy.high < overall:
        return "weaker"
    return "better" if accuracy.low > overall else "no difference"
