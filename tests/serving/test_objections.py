"""What speaks against a version, by what its processes counted."""

from typing import Any

import pytest

from facesent.evaluation.intervals import Estimate
from facesent.serving.objections import Shadow, Tallied, objection
from facesent.serving.settings import Server

BOUNDS = Server(
    max_body_mb=1, max_rows=1, max_requests=1, request_seconds=1, poll_seconds=1, shadow_slower=3,
    rollback_failed=0.05, rollback_slower=5, rollback_accuracy=0.5,
)  # fmt: skip
USUAL = Tallied(1000, 0, [(0.02, 1)] * 900)


def said(**changes: Any) -> dict[str, Any]:
    return {"requests": 1000, "failed": 0, "seconds": [(0.02, 1)] * 900, "compared": None, **changes}


def of(now: dict[str, Any], *, before: Tallied = USUAL, ended: int = 0, accuracy: Estimate | None = None) -> str:
    return objection(before, Tallied.of([now, {}]), ended, accuracy, BOUNDS)


@pytest.mark.parametrize(
    ("now", "why"),
    [
        (said(), ""),
        (said(requests=3, failed=3), "3 of 3 requests failed"),
        # As often as may be, or by chance.
        (said(requests=1000, failed=50), ""),
        (said(requests=2, failed=2), ""),
        (said(requests=80, failed=3), ""),
        (said(requests=1000, failed=80), "80 of 1000 requests failed"),
        (said(seconds=[(0.2, 1)] * 900), "10.0 times"),
        (said(seconds=[(0.02, 1)] * 800 + [(0.2, 1)] * 100), "10.0 times"),
        # Few answers say little, and more at once take longer.
        (said(seconds=[(0.2, 1)] * 50), ""),
        (said(seconds=[(0.2, 16)] * 900), ""),
    ],
)
def test_errors_and_times_in_service_are_held_against_the_version_before(now: dict[str, Any], why: str) -> None:
    assert why in of(now)
    assert bool(why) == bool(of(now))


def test_what_failed_before_as_well_and_what_was_slow_by_load_is_no_objection() -> None:
    assert not of(said(failed=80), before=Tallied(1000, 80, USUAL.seconds))
    # Sixteen at once share passes: each alone is more work, and sooner there.
    assert not of(said(seconds=[(0.03, 1)] * 900), before=Tallied(1000, 0, [(0.08, 16)] * 900))


def test_processes_that_end_and_audited_answers_that_are_wrong_are_objections() -> None:
    assert "3 of its processes ended" in of(said(), ended=3)
    assert not of(said(), ended=2)
    assert "20.0% of 40 audited answers are right" in of(said(), accuracy=Estimate(40, 0.2, 0.1, 0.35))
    # A few labels say nothing for certain.
    assert not of(said(), accuracy=Estimate(2, 0.0, 0.0, 0.66))


def compared(**changes: Any) -> dict[str, Any]:
    return {"copies": 10, "faces": 20, "agreed": 15, "seconds": [(0.04, 0.02)] * 10, "wrong": "", **changes}


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (compared(), ""),
        (compared(wrong="500"), "Received: 500"),
        (compared(seconds=[(0.08, 0.02)] * 10), "4.00 times the time"),
        (compared(copies=5, seconds=[(0.08, 0.02)] * 5), ""),
    ],
)
def test_a_version_in_shadow_is_refused_where_it_fails_or_is_much_slower(found: dict[str, Any], why: str) -> None:
    shadow = Shadow.of(2, Tallied.of([said(compared=found)]).compared)
    assert why in shadow.objection(BOUNDS)
    assert bool(why) == bool(shadow.objection(BOUNDS))
    assert (shadow.agreement, shadow.copies) == (0.75, found["copies"])


def test_where_nobody_asked_nothing_is_said_against_it() -> None:
    assert Shadow.of(2, []) == Shadow(2)
    assert not Shadow(2).objection(BOUNDS)
    assert str(Shadow(2)) == "no copy of a request"
