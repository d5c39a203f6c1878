import json

import pytest

from facesent.evaluation.measures import ClassMeasures, Measures
from facesent.params import Gate
from facesent.registry.gate import Champion, Incomparable, judge

SETTINGS = Gate(min_accuracy=0.6, min_class_recall=0.3, min_gain=0.0)


def measures(accuracy: float, worst_recall: float = 0.5) -> Measures:
    classes = {"Happy": ClassMeasures(1, 1, 1, 50), "Sad": ClassMeasures(1, worst_recall, 1, 50)}
    return Measures(100, accuracy, 0.1, 0.9, 0.7, 0.7, 0.5, 0.05, 0.02, 0.04, classes)


def test_without_a_champion_the_floors_decide() -> None:
    verdict = judge(1, measures(0.7), None, SETTINGS)
    assert verdict.outcome == "VALIDATED"
    assert verdict.champion is None
    assert [check.metric for check in verdict.checks] == ["accuracy", "worst class recall"]


@pytest.mark.parametrize(("accuracy", "recall", "named"), [(0.59, 0.5, "accuracy"), (0.7, 0.29, "worst class recall")])
def test_a_floor_that_is_not_reached_rejects_and_is_named(accuracy: float, recall: float, named: str) -> None:
    verdict = judge(1, measures(accuracy, recall), None, SETTINGS)
    assert verdict.outcome == "REJECTED"
    assert named in verdict.reason


@pytest.mark.parametrize(("champion", "outcome"), [(0.69, "VALIDATED"), (0.7, "REJECTED"), (0.75, "REJECTED")])
def test_only_a_better_candidate_passes_a_champion(champion: float, outcome: str) -> None:
    verdict = judge(2, measures(0.7), Champion(1, measures(champion)), SETTINGS)
    assert verdict.outcome == outcome
    assert verdict.champion == 1


def test_a_gain_under_the_least_gain_rejects() -> None:
    settings = SETTINGS.model_copy(update={"min_gain": 0.05})
    assert judge(2, measures(0.74), Champion(1, measures(0.7)), settings).outcome == "REJECTED"
    assert judge(2, measures(0.76), Champion(1, measures(0.7)), settings).outcome == "VALIDATED"


def test_a_champion_that_cannot_be_compared_leaves_it_unknown() -> None:
    verdict = judge(2, measures(0.7), Incomparable(1, "it knows other classes."), SETTINGS)
    assert verdict.outcome == "UNKNOWN"
    assert "other classes" in verdict.reason


def test_the_floors_hold_where_the_champion_cannot_be_compared() -> None:
    assert judge(2, measures(0.2), Incomparable(1, "…"), SETTINGS).outcome == "REJECTED"


def test_the_verdict_reads_as_json_and_as_a_table() -> None:
    verdict = judge(2, measures(0.7), Champion(1, measures(0.6)), SETTINGS)
    assert json.loads(verdict.to_json())["checks"][0] == {
        "metric": "accuracy",
        "value": 0.7,
        "threshold": 0.6,
        "passed": True,
    }
    assert "| accuracy | 0.7000 | 0.6000 | yes |" in verdict.to_markdown()
