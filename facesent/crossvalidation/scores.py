"""How a fold's network answers the images that were held out."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import log_loss, precision_recall_fscore_support

from facesent.evaluation.tables import with_answers

# What is measured on each fold; none of it depends on a setting that could change after the training.
MEASURES = ("accuracy", "macro_recall", "macro_f1", "log_loss")


def prediction_table(
    held_out: pd.DataFrame, fold: int, probabilities: NDArray[np.float32], labels: Sequence[str]
) -> pd.DataFrame:
    """One row an image: ``file_name, label, group, fold, predicted, confidence`` and ``probability_<Class>``.

    Args:
        held_out: the fold's images, ``file_name, label, group``.
        fold: its number, from 1.
        probabilities: ``(images, classes)``.
        labels: the classes.
    """
    return with_answers(held_out[["file_name", "label", "group"]].assign(fold=fold), probabilities, labels)


def measures_of(
    targets: NDArray[np.int64], probabilities: NDArray[np.float32], labels: Sequence[str]
) -> dict[str, float]:
    """``MEASURES`` of one fold, shares in 0..1 and the log loss in nats; the macro ones over classes that it holds.

    Args:
        targets: ``(images,)`` indices into ``labels``.
        probabilities: ``(images, classes)``.
        labels: the classes.
    """
    predicted = probabilities.argmax(axis=1)
    _, recall, f1, support = precision_recall_fscore_support(
        targets, predicted, labels=np.arange(len(labels)), zero_division=0.0
    )
    doubles = probabilities.astype(np.float64)
    return {
        "accuracy": float((predicted == targets).mean()),
        "macro_recall": float(recall[support > 0].mean()),
        "macro_f1": float(f1[support > 0].mean()),
        # float32 leaves a little of a sum of 1.
        "log_loss": float(
            log_loss(targets, doubles / doubles.sum(axis=1, keepdims=True), labels=np.arange(len(labels)))
        ),
    }
