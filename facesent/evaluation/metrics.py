"""How good probabilities are: accuracy with its interval, measures a class, calibration."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix, log_loss, precision_recall_fscore_support

from facesent.evaluation.intervals import recall_of_groups, share_of_groups
from facesent.evaluation.measures import ClassMeasures, Measures
from facesent.evaluation.reliability import calibration_noise, debiased_calibration_error, expected_calibration_error
from facesent.evaluation.settings import Evaluate


def measure(
    targets: NDArray[np.int64],
    probabilities: NDArray[np.floating[Any]],
    groups: Sequence[str],
    labels: Sequence[str],
    settings: Evaluate,
) -> Measures:
    """Compare probabilities with the truth.

    Args:
        targets: ``(n,)`` indices into ``labels``, at least one.
        probabilities: ``(n, classes)``.
        groups: ``n`` names; images of one person share one.
        labels: the classes.
        settings: of the interval and the calibration bins.
    """
    if not len(targets):
        raise ValueError("Expected at least one image to measure on. Received: none.")
    predicted = probabilities.argmax(axis=1)
    correct = predicted == targets
    indices = np.arange(len(labels))
    precision, recall, f1, support = precision_recall_fscore_support(
        targets, predicted, labels=indices, zero_division=0.0
    )
    accuracy = share_of_groups(correct, groups, settings.confidence_level)
    macro_recall = recall_of_groups(correct, targets, groups, settings.confidence_level)
    confidence, bins = probabilities.max(axis=1), settings.calibration_bins
    present = support > 0
    return Measures(
        images=len(targets),
        accuracy=accuracy.value,
        accuracy_low=accuracy.low,
        accuracy_high=accuracy.high,
        macro_recall=macro_recall.value,
        macro_recall_low=macro_recall.low,
        macro_recall_high=macro_recall.high,
        macro_f1=float(f1[present].mean()),
        log_loss=float(log_loss(targets, _normalised(probabilities), labels=indices)),
        ece=expected_calibration_error(confidence, correct, bins),
        ece_debiased=debiased_calibration_error(confidence, correct, bins),
        ece_noise=calibration_noise(confidence, bins, settings.bootstrap_resamples, settings.seed),
        classes={
            label: ClassMeasures(float(precision[i]), float(recall[i]), float(f1[i]), int(support[i]))
            for i, label in enumerate(labels)
        },
    )


def _normalised(probabilities: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Take out what float32 leaves of a sum of 1."""
    doubles = probabilities.astype(np.float64)
    return np.asarray(doubles / doubles.sum(axis=1, keepdims=True))


def confusion(targets: NDArray[np.int64], probabilities: NDArray[np.floating[Any]], classes: int) -> NDArray[np.int64]:
    """Images by true class (rows) and predicted class (columns)."""
    matrix = confusion_matrix(targets, probabilities.argmax(axis=1), labels=np.arange(classes))
    return np.asarray(matrix, dtype=np.int64)
