"""Answers as a table, a row an image: what was predicted, how surely, and all probabilities."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

# Before a class's name, the name of the column that has its probability.
PROBABILITY = "probability_"


def with_answers(images: pd.DataFrame, probabilities: NDArray[np.floating[Any]], labels: Sequence[str]) -> pd.DataFrame:
    """A row an image, followed by ``predicted``, ``confidence`` and ``probability_<Class>``.

    Args:
        images: ``n`` rows.
        probabilities: ``(n, classes)``.
        labels: the classes.
    """
    scores = {f"{PROBABILITY}{label}": probabilities[:, index] for index, label in enumerate(labels)}
    predicted = np.array(labels)[probabilities.argmax(axis=1)]
    return images.assign(predicted=predicted, confidence=probabilities.max(axis=1), **scores)


def classes_of(answers: pd.DataFrame) -> list[str]:
    """The classes, in the order of their columns."""
    return [column.removeprefix(PROBABILITY) for column in answers.columns if column.startswith(PROBABILITY)]


def probabilities_of(answers: pd.DataFrame) -> NDArray[np.float64]:
    """``(images, classes)``, each row with the sum 1 that rounding in a file took."""
    values = answers[[PROBABILITY + label for label in classes_of(answers)]].to_numpy(dtype=np.float64)
    return np.asarray(values / values.sum(axis=1, keepdims=True))
