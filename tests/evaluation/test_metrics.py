from pathlib import Path

import numpy as np
import pytest

from facesent.evaluation.measures import Measures
from facesent.evaluation.metrics import confusion, measure
from facesent.params import load_params

SETTINGS = load_params(Path(__file__).parents[2] / "params.yaml").evaluate
LABELS = ["Angry", "Happy", "Sad"]


def sure(predicted: list[int], confidence: float = 0.8) -> np.ndarray:
    """Probabilities of ``confidence`` for the predicted class, the rest shared."""
    scores = np.full((len(predicted), 3), (1 - confidence) / 2)
    scores[np.arange(len(predicted)), predicted] = confidence
    return scores


def test_measures_of_a_small_confusion() -> None:
    targets = np.array([0, 0, 0, 0, 1, 1, 2, 2])
    measures = measure(targets, sure([0, 0, 0, 1, 1, 1, 2, 0]), list("abcdefgh"), LABELS, SETTINGS)
    assert measures.accuracy == pytest.approx(6 / 8)
    assert measures.macro_recall == pytest.approx((3 / 4 + 1 + 1 / 2) / 3)
    assert measures.classes["Angry"].precision == pytest.approx(3 / 4)
    assert measures.classes["Happy"].recall == pytest.approx(1)
    assert measures.classes["Sad"].f1 == pytest.approx(2 / 3)
    assert measures.worst_recall == pytest.approx(1 / 2)
    assert measures.log_loss == pytest.approx(-(6 * np.log(0.8) + 2 * np.log(0.1)) / 8)
    assert measures.ece == pytest.approx(0.05)
    assert measures.accuracy_low < measures.accuracy < measures.accuracy_high


def test_a_class_without_test_images_does_not_count() -> None:
    measures = measure(np.array([0, 1]), sure([0, 1]), ["a", "b"], LABELS, SETTINGS)
    assert measures.macro_recall == 1
    assert measures.worst_recall == 1
    assert measures.classes["Sad"].support == 0


def test_macro_recall_has_an_interval_over_people() -> None:
    targets = np.repeat([0, 1, 2], 20)
    scores = sure(list(np.where(np.arange(60) % 4 > 0, targets, (targets + 1) % 3)))
    of_many = measure(targets, scores, [str(photo) for photo in range(60)], LABELS, SETTINGS).macro_recall_estimate
    assert of_many.value == pytest.approx(0.75)
    assert 0.6 < of_many.low < 0.7 < 0.8 < of_many.high < 0.9
    of_few = measure(targets, scores, [str(photo // 4) for photo in range(60)], LABELS, SETTINGS)
    assert of_few.macro_recall == of_many.value
    assert of_few.macro_recall_low < of_many.low


def test_no_images_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one image"):
        measure(np.array([], dtype=int), np.empty((0, 3)), [], LABELS, SETTINGS)


def test_measures_survive_json() -> None:
    measures = measure(np.array([0, 1, 2]), sure([0, 1, 1]), list("abc"), LABELS, SETTINGS)
    assert Measures.from_dict(measures.as_dict()) == measures


def test_confusion_has_the_truth_in_rows() -> None:
    assert confusion(np.array([0, 0, 2]), sure([0, 1, 2]), 3).tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 1]]
