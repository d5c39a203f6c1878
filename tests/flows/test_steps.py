import pytest

from flows.summary import Step, Steps, duration, steps_table
from tests.helpers.tables import cells


def test_steps_are_kept_in_order_with_how_they_ended() -> None:
    steps = Steps()
    assert steps.take("validate", lambda: "cached") == "cached"
    assert steps.take("register", lambda: 3) == 3
    with pytest.raises(ZeroDivisionError):
        steps.take("gate", lambda: 1 // 0)
    ended = [(step.name, step.outcome) for step in steps.ended]
    assert ended == [("validate", "cached"), ("register", "ran"), ("gate", "failed")]
    assert steps.failed == "gate"


def test_nothing_failed_before_the_first_failure() -> None:
    assert Steps([Step("train", "ran", 1.0)]).failed is None


def test_the_table_ends_with_the_sum() -> None:
    rows = cells(steps_table([Step("train", "ran", 130.0), Step("gate", "ran", 5.2)]))
    assert rows[1:] == [("train", "ran", "2 min 10 s"), ("gate", "ran", "5 s"), ("all", "", "2 min 15 s")]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "under 1 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (725, "12 min"),
        (3600, "1 h 0 min"),
        (7320, "2 h 2 min"),
    ],
)
def test_a_duration_is_said_as_people_say_it(seconds: float, text: str) -> None:
    assert duration(seconds) == text
