import json
from dataclasses import replace
from typing import Any

import pytest

from facesent.evaluation.gaps import ColumnResult, Gap, ValueResult
from facesent.evaluation.intervals import Estimate
from facesent.evaluation.measures import ClassMeasures, Measures
from facesent.promotion.canary.report import CanaryReport
from facesent.promotion.comparison import Comparison, Difference
from facesent.promotion.gate import verdict_of
from facesent.promotion.rivals import ComparedChampion, DriftComparison, Incomparable
from facesent.promotion.settings import Gate
from facesent.promotion.verdict import Check, Verdict

NOTHING: dict[str, Any] = dict.fromkeys((
    "min_accuracy", "min_macro_recall", "min_class_recall", "max_ece", "max_slice_gap", "min_gain", "max_latency_ms",
    "max_size_mb", "max_memory_mb",
))  # fmt: skip
CANARY = CanaryReport(2, (), 12, 5, 1e-7, latency_p95_ms=80.0, size_mb=30.0, memory_mb=900.0)
SAME = Difference(0.0, 0.0, 0.0)


def gate(**thresholds: float) -> Gate:
    others: dict[str, Any] = {"confidence_level": 0.95, "bootstrap_resamples": 100, "seed": 7, "approval": False}
    return Gate(**{**NOTHING, **others, **thresholds})


def measures(accuracy: float = 0.7, recall: float = 0.6, worst: float = 0.5, ece: float = 0.05) -> Measures:
    classes = {
        "Happy": ClassMeasures(1, 1, 1, 50),
        "Sad": ClassMeasures(1, worst, 1, 50),
    }
    return Measures(100, accuracy, 0.1, 0.9, recall, 0.5, 0.8, 0.7, 0.5, ece, 0.02, 0.04, classes)


def champion(gain: tuple[float, float, float], **classes: tuple[float, float, float]) -> ComparedChampion:
    changes = {label: Difference(*change) for label, change in classes.items()}
    comparison = Comparison(Difference(*gain), {"Happy": SAME, "Sad": SAME, **changes}, 100, 0)
    return ComparedChampion(1, comparison, Estimate(100, 0.7, 0.6, 0.8))


def judged(rival: ComparedChampion | Incomparable | None = None, **thresholds: float) -> Verdict:
    return verdict_of(2, measures(), rival, CANARY, gate(**thresholds))


def failed(verdict: Verdict) -> list[str]:
    return [check.metric for check in verdict.checks if not check.passed]


def test_without_a_champion_the_floors_decide() -> None:
    verdict = judged(min_accuracy=0.6, min_class_recall=0.3)
    assert verdict.outcome == "VALIDATED"
    assert verdict.champion is None
    assert [check.metric for check in verdict.checks] == ["accuracy", "worst class recall", "problems of the canary"]


@pytest.mark.parametrize(
    ("threshold", "reached", "missed", "metric"),
    [
        ("min_accuracy", 0.7, 0.71, "accuracy"),
        ("min_macro_recall", 0.6, 0.61, "macro recall"),
        ("min_class_recall", 0.5, 0.51, "worst class recall"),
        ("max_ece", 0.05, 0.04, "expected calibration error"),
        ("max_latency_ms", 80, 79, "p95 latency in ms"),
        ("max_size_mb", 30, 29, "size in MB"),
        ("max_memory_mb", 900, 899, "memory in MB"),
    ],
)
def test_a_threshold_holds_to_its_last_digit_and_is_named(
    threshold: str, reached: float, missed: float, metric: str
) -> None:
    assert judged(**{threshold: reached}).outcome == "VALIDATED"
    verdict = judged(**{threshold: missed})
    assert verdict.outcome == "REJECTED"
    assert failed(verdict) == [metric]
    assert metric in verdict.reason


def by_age(low: float, high: float, *too_few: str) -> ColumnResult:
    values = [ValueResult(name, 4, Estimate(4, 1.0, 0.0, 1.0), None, "too few") for name in too_few]
    return ColumnResult("age", values, Gap("60+", "18-30", (low + high) / 2, low, high, 40))


@pytest.mark.parametrize(
    ("column", "outcome", "said"),
    [
        (by_age(0.11, 0.5), "REJECTED", "gap in accuracy by age 30.5%, expected at most 10.0% (60+ to 18-30, 95%"),
        (
            by_age(0.1, 0.5),
            "UNKNOWN",
            "10.0% to 50.0% with 40 people in the smallest value; if they are equal, about 410",
        ),
        (by_age(0.0, 0.1), "VALIDATED", "Passes all checks"),
        (
            by_age(0.0, 0.1, "other"),
            "UNKNOWN",
            "fewer than 10 people are in the test images with other (4): merge values",
        ),
        (by_age(0.2, 0.5, "other"), "REJECTED", "gap in accuracy by age"),
        (ColumnResult("age", [], None), "UNKNOWN", "fewer than 10 people are in the test images with any second value"),
    ],
)
def test_a_gap_between_slices_rejects_where_it_is_shown_and_passes_where_it_is_excluded(
    column: ColumnResult, outcome: str, said: str
) -> None:
    verdict = verdict_of(2, measures(), None, CANARY, gate(max_slice_gap=0.1), [column])
    assert verdict.outcome == outcome
    assert said in verdict.reason
    assert Verdict.from_json(verdict.to_json()) == verdict
    assert verdict_of(2, measures(), None, CANARY, gate(min_accuracy=0.1), [column]).outcome == "VALIDATED"


def test_where_nothing_is_asked_for_nothing_is_promoted() -> None:
    verdict = judged()
    assert verdict.outcome == "UNKNOWN"
    assert not verdict.incomparable
    for key in NOTHING:
        assert f"gate.{key}" in verdict.reason


def test_a_gain_beyond_chance_passes() -> None:
    verdict = judged(champion((0.05, 0.01, 0.09)), min_gain=0.0)
    assert verdict.outcome == "VALIDATED"
    assert verdict.champion == 1
    assert "5.0 points above version 1's (95% interval +1.0 to +9.0 points)" in verdict.reason


def test_a_gain_that_may_be_chance_does_not_pass() -> None:
    verdict = judged(champion((0.05, -0.01, 0.11)), min_gain=0.0)
    assert verdict.outcome == "REJECTED"
    assert failed(verdict) == ["gain in macro recall over version 1, lower end"]


def test_the_lower_end_has_to_exceed_the_least_gain() -> None:
    assert judged(champion((0.05, 0.02, 0.09)), min_gain=0.02).outcome == "REJECTED"
    assert judged(champion((0.05, 0.02, 0.09)), min_gain=0.01).outcome == "VALIDATED"


@pytest.mark.parametrize("thresholds", [{"min_gain": 0.0}, {"min_gain": -0.1}, {"min_accuracy": 0.1}])
def test_an_equal_model_never_replaces_the_champion(thresholds: dict[str, float]) -> None:
    assert judged(champion((0.0, 0.0, 0.0)), **thresholds).outcome == "REJECTED"


def test_a_negative_least_gain_puts_up_with_what_may_be_a_loss() -> None:
    rival = champion((0.02, -0.03, 0.07))
    assert judged(rival, min_gain=-0.05).outcome == "VALIDATED"
    assert judged(rival, min_gain=-0.02).outcome == "REJECTED"


def test_a_class_that_collapses_rejects_though_the_mean_gains() -> None:
    verdict = judged(champion((0.05, 0.02, 0.08), Sad=(-0.3, -0.4, -0.2), Happy=(-0.02, -0.1, 0.06)), min_gain=0.0)
    assert verdict.outcome == "REJECTED"
    assert failed(verdict) == ["change in recall of Sad, upper end"]
    assert "-30.0, 95% interval -40.0 to -20.0 points" in verdict.reason


def test_of_a_class_of_too_few_people_it_is_said_that_nothing_is_known() -> None:
    verdict = judged(champion((0.05, 0.02, 0.08), Sad=(-0.6, -1.0, 1.0)), min_gain=0.0)
    assert verdict.outcome == "VALIDATED"
    assert "too few people to know whether recall of Sad fell" in verdict.reason
    (row,) = (check.row() for check in verdict.checks if "recall of Sad" in check.metric)
    assert row[1:] == ("not measured", "at least 0", "not known", "-60.0; too few people to tell")


@pytest.mark.parametrize(
    ("after", "before", "happy_before", "failing"),
    [
        ((0.2, 0.05, 0.35), (-0.02, -0.08, 0.04), (-0.03, -0.1, 0.04), []),
        ((0.1, -0.05, 0.25), (0.0, -0.05, 0.05), (0, 0, 0), ["gain in macro recall from after the change"]),
        ((0.2, 0.05, 0.35), (-0.1, -0.2, 0.0), (0, 0, 0), ["gain in macro recall elsewhere"]),
        ((0.2, 0.05, 0.35), (-0.02, -0.08, 0.04), (-0.3, -0.4, -0.2), ["change in recall of Happy, upper end"]),
    ],
)
def test_after_an_alarm_a_gain_on_its_photos_is_enough_if_little_is_lost_elsewhere(
    after: tuple[float, float, float],
    before: tuple[float, float, float],
    happy_before: tuple[float, float, float],
    failing: list[str],
) -> None:
    rival = champion((0.02, -0.03, 0.07))
    parts = champion(after).comparison, champion(before, Happy=happy_before).comparison
    drifted = replace(rival, drift=DriftComparison(*parts))
    assert judged(rival, min_gain=0.0).outcome == "REJECTED"
    verdict = judged(drifted, min_gain=0.0)
    assert verdict.outcome == ("REJECTED" if failing else "VALIDATED")
    assert [metric.partition(" over")[0] for metric in failed(verdict)] == failing
    assert failing or "on 100 photos from after the change its macro recall is 20.0 points above" in verdict.reason
    # What gains on all images is not asked about the change.
    assert "5.0 points above" in judged(replace(champion((0.05, 0.01, 0.09)), drift=drifted.drift), min_gain=0.0).reason


def test_a_champion_that_cannot_be_compared_leaves_it_unknown() -> None:
    verdict = judged(Incomparable(1, "it knows other classes."), min_accuracy=0.6)
    assert verdict.outcome == "UNKNOWN"
    assert verdict.incomparable
    assert verdict.champion == 1
    assert "other classes" in verdict.reason


def test_a_failed_check_rejects_whatever_else_is_unknown() -> None:
    incomparable = Incomparable(1, "it knows other classes.")
    verdict = judged(incomparable, min_accuracy=0.8)
    assert (verdict.outcome, verdict.incomparable) == ("REJECTED", False)
    broken = replace(CANARY, problems=("The server did not start.",))
    assert verdict_of(2, None, incomparable, broken, gate()).outcome == "REJECTED"


def test_without_test_images_it_is_unknown_and_not_for_the_champions_sake() -> None:
    verdict = verdict_of(2, None, Incomparable(1, "there are no test images."), CANARY, gate(min_accuracy=0.6))
    assert (verdict.outcome, verdict.incomparable) == ("UNKNOWN", False)
    assert "test images" in verdict.reason


def test_a_canary_that_did_not_pass_rejects_with_its_problems() -> None:
    problems = ("Row 3 was refused:\n  Traceback …", "It used a | in a name.", "Third.", "Fourth.")
    verdict = verdict_of(2, measures(), None, replace(CANARY, problems=problems), gate(min_accuracy=0.6, max_size_mb=1))
    assert verdict.outcome == "REJECTED"
    assert failed(verdict) == ["problems of the canary"]
    assert "Row 3 was refused: Traceback … It used a | in a name. Third. And 1 more." in verdict.reason
    assert r"It used a \| in a name." in verdict.to_markdown()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_is_no_number_fails_and_is_null_in_json(value: float) -> None:
    canary = replace(CANARY, latency_p95_ms=value)
    verdict = verdict_of(2, measures(ece=value), None, canary, gate(max_ece=0.1, max_latency_ms=100))
    assert failed(verdict) == ["expected calibration error", "p95 latency in ms"]
    assert [check["value"] for check in json.loads(verdict.to_json())["checks"]] == [None, 0, None]
    assert Verdict.from_json(verdict.to_json()) == verdict
    assert "not measured" in verdict.to_markdown()


def test_the_verdict_survives_json_and_reads_as_a_table() -> None:
    verdict = judged(
        champion((0.05, 0.01, 0.09), Happy=(0.1, 0.0, 0.2)), min_accuracy=0.6, min_gain=0.0, max_size_mb=99
    )
    assert Verdict.from_json(verdict.to_json()) == verdict
    assert json.loads(verdict.to_json())["checks"][0] == {
        "metric": "accuracy",
        "unit": "share",
        "value": 0.7,
        "bound": "at least",
        "threshold": 0.6,
        "passed": True,
        "note": "interval 10.0% to 90.0%",
    }
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in verdict.to_markdown().splitlines()]
    assert ["accuracy", "70.0%", "at least 60.0%", "yes", "interval 10.0% to 90.0%"] in cells
    assert ["size in MB", "30", "at most 99", "yes", ""] in cells
    assert ["problems of the canary", "0", "at most 0", "yes", "12 photos answered, 5 bad inputs refused"] in cells


def test_the_canary_of_another_version_is_no_evidence() -> None:
    with pytest.raises(ValueError, match="canary of version 3"):
        verdict_of(3, measures(), None, CANARY, gate(min_accuracy=0.6))


def test_a_check_says_in_words_what_was_expected() -> None:
    assert Check.of("accuracy", "share", 0.5, "at least", 0.6).sentence() == "accuracy 50.0%, expected at least 60.0%"
    assert not Check.of("gain", "points", 0.0, "above", 0.0).passed
    assert Check.of("gain in ms", "points", 0.02, "above", 0.0).row()[1:3] == ("+2.0 points", "above 0")
    # As it comes back from JSON.
    assert Check.of("problems of the canary", "whole", 2.0, "at most", 0.0).row()[1:3] == ("2", "at most 0")


def test_a_class_without_test_images_leaves_it_unknown() -> None:
    some = measures()
    untested = replace(some, classes={**some.classes, "Angry": ClassMeasures(0, 0, 0, 0)})
    verdict = verdict_of(2, untested, None, CANARY, gate(min_class_recall=0.3))
    assert verdict.outcome == "UNKNOWN"
    assert "no test images of Angry" in verdict.reason


def test_it_says_on_how_many_images_two_models_were_compared() -> None:
    rival = champion((0.05, 0.01, 0.09))
    fewer = replace(rival, comparison=replace(rival.comparison, images=80, seen=20))
    assert "on the 80 of 100 test images that neither saw" in judged(fewer, min_gain=0.0).reason
    assert "test images" not in judged(rival, min_gain=0.0).reason


@pytest.mark.parametrize(("low", "outcome"), [(-0.09, "VALIDATED"), (-0.11, "REJECTED")])
def test_a_champion_that_knows_somebody_who_was_forgotten_is_replaced_at_a_small_loss(low: float, outcome: str) -> None:
    rival = replace(champion((-0.02, low, 0.05), Sad=(-0.05, -0.1, -0.01)), retrain=True)
    assert judged(rival, min_gain=0.0).outcome == outcome
    assert judged(replace(rival, retrain=False), min_gain=0.0).outcome == "REJECTED"
