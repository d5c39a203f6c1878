"""How a fold's network answers the images that were held out."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from facesent.evaluation.answers import with_answers
from facesent.evaluation.metrics import measure
from facesent.params import Evaluate

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
    targets: NDArray[np.int64], probabilities: NDArray[np.float32], labels: Sequence[str], settings: Evaluate
) -> dict[str, float]:
    """``MEASURES`` of one fold, shares in 0..1 and the log loss in nats; the macro ones over classes that it holds.

    Args:
        targets: ``(images,)`` indices into ``labels``.
        probabilities: ``(images, classes)``.
        labels: the classes.
        settings: of what else ``measure`` gives.
    """
    measured = measure(targets, probabilities, labels, settings)
    return {
        "accuracy": measured.accuracy,
        "macro_recall": measured.balanced_accuracy,
        "macro_f1": measured.macro_f1,
        "log_loss": measured.log_loss,
    }
