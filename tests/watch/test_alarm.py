"""The alarm on hours that are drawn: quiet months, and changes."""

import numpy as np
import pytest
from numpy.typing import NDArray

from facesent.watch.alarm import Alarm, BaselineError, learn

FEATURES = 6
QUIET = {"quiet_hours": 720, "block_hours": 24, "resamples": 40}
MONTH = 720


def hours(
    chance: np.random.Generator, count: int, *, day: float = 0.2, clients: int = 10, shift: float = 0.0
) -> NDArray[np.float64]:
    """Hours' means of a few clients, on days that differ; one feature is shifted by so many standard deviations."""
    daily = np.repeat(chance.normal(0, day, (-(-count // 24), FEATURES)), 24, axis=0)[:count]
    rhythm = 0.2 * np.sin(np.arange(count) % 24 * 2 * np.pi / 24)[:, None]
    asked = 1 + chance.poisson(clients, count)
    return (
        daily + rhythm + chance.normal(size=(count, FEATURES)) / np.sqrt(asked)[:, None] + shift * np.eye(FEATURES)[0]
    )


def alarms(alarm: Alarm, means: NDArray[np.float64]) -> int:
    """How many there are, if it begins again after each."""
    count, start = 0, 0
    while start < len(means):
        over = np.flatnonzero(alarm.sums(means[start:]) > alarm.threshold)
        if not len(over):
            break
        count, start = count + 1, start + int(over[0]) + 1
    return count


def quiet_share(baselines: int, months: int, days: int = 14) -> tuple[float, float]:
    """The share of baselines that keep the promise, and the false alarms a month."""
    chance = np.random.default_rng(3)
    found = np.array(
        [
            alarms(learn(hours(chance, 24 * days), **QUIET, seed=number), hours(chance, MONTH * months))
            for number in range(baselines)
        ]
    )
    return float((found <= months).mean()), float(found.mean() / months)


@pytest.mark.long
def test_a_quiet_month_has_at_most_one_false_alarm() -> None:
    kept, monthly = quiet_share(baselines=6, months=4)
    assert kept >= 0.5
    assert monthly <= 1


@pytest.mark.slow
@pytest.mark.long
def test_a_thousand_quiet_months_keep_the_promise_for_nine_baselines_of_ten() -> None:
    kept, monthly = quiet_share(baselines=100, months=10)
    assert kept >= 0.85
    assert monthly <= 0.7


def test_a_lasting_change_is_noticed_within_days_and_a_single_odd_hour_is_not() -> None:
    chance = np.random.default_rng(4)
    alarm = learn(hours(chance, 24 * 14), **QUIET, seed=1)
    delays = [np.argmax(alarm.sums(hours(chance, 24 * 30, shift=1.0)) > alarm.threshold) for _ in range(10)]
    assert 0 < np.median(delays) <= 24
    odd = hours(chance, 48)
    odd[24] += 100.0
    assert alarms(alarm, odd) == 0


def test_the_strangest_of_many_single_answers_is_told_from_the_others() -> None:
    chance = np.random.default_rng(8)
    usual = learn(hours(chance, 24 * 14, clients=100), **QUIET, seed=1).normal
    answers = chance.normal(size=(50, FEATURES))
    answers[7] *= 4
    assert np.argmax(usual.lengths(answers)) == 7


def test_the_same_baseline_gives_the_same_alarm() -> None:
    means = hours(np.random.default_rng(5), 24 * 7)
    one, other = learn(means, **QUIET, seed=1), learn(means, **QUIET, seed=1)
    assert (one.threshold, one.allowance) == (other.threshold, other.allowance)


def test_a_feature_that_never_changes_is_no_obstacle() -> None:
    means = hours(np.random.default_rng(6), 24 * 7)
    means[:, 2] = 0.25
    alarm = learn(means, **QUIET, seed=1)
    assert np.isfinite(alarm.threshold)
    assert np.isfinite(alarm.sums(means)).all()


def test_too_few_hours_are_no_baseline() -> None:
    with pytest.raises(BaselineError, match=r"at least 96 hours with answers\. Received: 95"):
        learn(hours(np.random.default_rng(7), 95), **QUIET, seed=1)
