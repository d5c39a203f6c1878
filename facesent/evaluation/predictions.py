"""Answers as a table, a row an image: what was predicted, how surely, and all probabilities."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from facesent.images.reading import Pixels
from facesent.images.rows import PROBABILITY, UNCERTAIN
from facesent.prediction.light import brightness_and_sharpness


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


def as_watched(
    people: "pd.Series[str]",
    images: Pixels,
    probabilities: NDArray[np.floating[Any]],
    labels: Sequence[str],
    min_confidence: float,
) -> pd.DataFrame:
    """What the log of answers would hold of images: number of the person, label, confidence, brightness, sharpness.

    Args:
        people: the group of each.
        images: as the network takes them, ``(n, size, size, 3)``.
        probabilities: ``(n, classes)``.
        labels: the classes.
        min_confidence: below it the answer is "uncertain".
    """
    confidence = probabilities.max(axis=1)
    answered = np.where(confidence < min_confidence, UNCERTAIN, np.array(labels)[probabilities.argmax(axis=1)])
    quality = np.array([brightness_and_sharpness(image) for image in images]).reshape(-1, 2)
    return pd.DataFrame(
        {
            "person": pd.factorize(people)[0],
            "label": answered,
            "confidence": confidence,
            "brightness": quality[:, 0],
            "sharpness": quality[:, 1],
        }
    )


def classes_of(answers: pd.DataFrame) -> list[str]:
    """The classes, in the order of their columns."""
    return [column.removeprefix(PROBABILITY) for column in answers.columns if column.startswith(PROBABILITY)]


def probabilities_of(answers: pd.DataFrame) -> NDArray[np.float64]:
    """``(images, classes)``, each row with the sum 1 that rounding in a file took."""
    values = answers[[PROBABILITY + label for label in classes_of(answers)]].to_numpy(dtype=np.float64)
    return np.asarray(values / values.sum(axis=1, keepdims=True))
