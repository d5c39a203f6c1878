import numpy as np
import pytest

from facesent.evaluation.behaviour import Behaviour, Covered
from facesent.evaluation.examination import Answered, Examination, answered
from facesent.evaluation.measures import ClassMeasures, Measures

TARGETS = np.array([0, 0, 1, 1])
SCORES = np.array([[0.9, 0.1], [0.4, 0.6], [0.3, 0.7], [0.45, 0.55]])


def test_without_a_least_confidence_there_is_nothing_to_say() -> None:
    assert answered(TARGETS, SCORES, 0.0) is None


@pytest.mark.parametrize(
    ("min_confidence", "coverage", "accuracy"), [(0.5, 1.0, 0.75), (0.6, 0.75, 2 / 3), (0.7, 0.5, 1.0), (0.95, 0, 0)]
)
def test_surer_answers_are_fewer(min_confidence: float, coverage: float, accuracy: float) -> None:
    assert answered(TARGETS, SCORES, min_confidence) == Answered(min_confidence, coverage, pytest.approx(accuracy))


def test_the_measures_are_found_among_the_rest_again() -> None:
    after, before = (
        Measures(4, 0.8, 0.7, 0.9, 0.8, 0.7, 0.9, 0.8, 0.5, ece, ece / 2, 0.01, {"Happy": ClassMeasures(1, 1, 1, 4)})
        for ece in (0.04, 0.2)
    )
    behaviour = Behaviour({"mirror": 0.9}, Covered(3, 0.8, 0.3))
    values = Examination(after, 1.7, before, Answered(0.5, 0.9, 0.85), behaviour).as_dict()
    assert Measures.from_dict(values) == after
    assert values["temperature"] == 1.7
    assert values["uncalibrated"] == {"ece": 0.2, "ece_debiased": 0.1, "log_loss": 0.5}
    assert values["answered"] == {"min_confidence": 0.5, "coverage": 0.9, "accuracy": 0.85}
    assert values["behaviour"]["kept"] == {"mirror": 0.9}
    assert values["behaviour"]["smile_covered"]["fall"] == pytest.approx(0.5)
