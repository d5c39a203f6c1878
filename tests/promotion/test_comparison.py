from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binomtest

from facesent.promotion.comparison import Comparison, Difference, compare
from facesent.promotion.settings import Gate

LABELS = ["Happy", "Neutral", "Sad"]
SETTINGS = Gate(
    min_accuracy=None,
    min_macro_recall=None,
    min_class_recall=None,
    max_ece=None,
    min_gain=0.0,
    confidence_level=0.95,
    bootstrap_resamples=999,
    seed=7,
    max_latency_ms=None,
    max_size_mb=None,
    max_memory_mb=None,
    approval=False,
)


def alone(images: int) -> list[str]:
    return [f"image {i}" for i in range(images)]


def answers(share: float, images: int, seed: int) -> NDArray[np.bool_]:
    return np.random.default_rng(seed).random(images) < share


def compared(
    targets: Sequence[int], candidate: Sequence[bool], champion: Sequence[bool], groups: Sequence[str] | None = None
) -> Comparison:
    return compare(
        np.array(targets), np.array(candidate), np.array(champion), groups or alone(len(targets)), LABELS, SETTINGS
    )


def test_the_estimates_are_differences_of_recalls() -> None:
    targets = [0] * 10 + [2] * 20
    comparison = compared(targets, [True] * 9 + [False] + [True] * 10 + [False] * 10, [True] * 7 + [False] * 23)
    assert comparison.classes["Happy"].estimate == pytest.approx(0.2)
    assert comparison.classes["Sad"].estimate == pytest.approx(0.5)
    assert comparison.macro_recall.estimate == pytest.approx(0.35)


def test_a_class_without_images_is_left_out() -> None:
    comparison = compared([0] * 10 + [2] * 10, [True] * 20, [True] * 20)
    assert list(comparison.classes) == ["Happy", "Sad"]


def test_equal_answers_differ_by_exactly_nothing() -> None:
    right = answers(0.7, 90, 1)
    comparison = compared([0, 1, 2] * 30, right, right)
    nothing = Difference(0.0, 0.0, 0.0)
    assert comparison == Comparison(nothing, dict.fromkeys(LABELS, nothing), 90, 0)


def test_the_same_call_gives_the_same_intervals() -> None:
    arguments = ([0, 1, 2] * 30, answers(0.8, 90, 1), answers(0.6, 90, 2))
    assert compared(*arguments) == compared(*arguments)


def test_a_real_gain_is_told_from_chance() -> None:
    gain = compared([0, 1, 2] * 100, answers(0.85, 300, 1), answers(0.6, 300, 2)).macro_recall
    assert 0 < gain.low < gain.estimate < gain.high


def test_equally_good_models_seldom_look_better() -> None:
    targets = [0, 1, 2] * 100
    luck = [compared(targets, answers(0.7, 300, seed), answers(0.7, 300, 1000 + seed)) for seed in range(40)]
    # One of 40 in the mean: 2.5 % beyond each end.
    assert sum(comparison.macro_recall.low > 0 for comparison in luck) <= 4


def test_pairing_makes_the_interval_narrower_than_that_of_models_that_err_apart() -> None:
    targets = [0, 1, 2] * 100
    champion = answers(0.7, 300, 1)
    improved = champion | answers(0.15, 300, 2)
    paired = compared(targets, improved, champion).macro_recall
    apart = compared(targets, np.random.default_rng(3).permutation(improved), champion).macro_recall
    assert paired.high - paired.low < 0.7 * (apart.high - apart.low)


def test_images_of_one_person_widen_the_interval() -> None:
    targets = np.repeat([0, 1, 2], 100)
    persons = [f"person {i // 10}" for i in range(300)]
    # All ten images of a person go the same way.
    candidate, champion = (np.repeat(answers(share, 30, seed), 10) for share, seed in ((0.8, 1), (0.7, 2)))
    by_image = compared(targets, candidate, champion).macro_recall
    by_person = compared(targets, candidate, champion, persons).macro_recall
    assert by_person.estimate == by_image.estimate
    assert by_person.high - by_person.low > 2 * (by_image.high - by_image.low)


@pytest.mark.parametrize("images", [1, 5])
def test_of_too_few_images_nothing_is_said(images: int) -> None:
    comparison = compared([0] * images, [True] * images, [False] * images)
    assert comparison.macro_recall == comparison.classes["Happy"] == Difference(1.0, -1.0, 1.0)


def test_many_images_of_too_few_persons_say_nothing_either() -> None:
    comparison = compared([0] * 500, [True] * 500, [False] * 500, ["one", "other"] * 250)
    assert comparison.macro_recall == Difference(1.0, -1.0, 1.0)


@pytest.mark.parametrize("differing", range(3, 9))
def test_a_gain_on_fewer_people_than_a_sign_test_needs_may_be_chance(differing: int) -> None:
    champion = [False] * differing + [True] * (100 - differing)
    gain = compared([0, 1] * 50, [True] * 100, champion).macro_recall
    assert (gain.low > 0) == (binomtest(differing, differing).pvalue <= 0.05)
    loss = compared([0, 1] * 50, champion, [True] * 100).macro_recall
    assert (loss.high < 0) == (gain.low > 0)


def test_a_class_of_too_few_images_says_nothing_and_does_not_stop_the_others() -> None:
    targets = [0] * 100 + [2]
    comparison = compared(targets, [True] * 100 + [False], [False] * 50 + [True] * 51)
    assert comparison.classes["Sad"] == Difference(-1.0, -1.0, 1.0)
    assert comparison.classes["Happy"].low > 0.3
    # Sad weighs half of the mean, and its one image is in some draws and not in others.
    assert comparison.macro_recall.low < -0.2
    assert comparison.macro_recall.high > 0.1


def test_no_image_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one image"):
        compared([], [], [])


def test_more_images_than_fit_into_one_batch_give_the_same_kind_of_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ([0, 1, 2] * 30, answers(0.8, 90, 1), answers(0.6, 90, 2))
    whole = compared(*arguments).macro_recall
    monkeypatch.setattr("facesent.promotion.comparison._BATCH_BYTES", 1)
    assert compared(*arguments).macro_recall.low == pytest.approx(whole.low, abs=0.02)


def test_the_interval_covers_the_true_difference_about_as_often_as_it_says() -> None:
    """100 draws of 40 persons with 6 images each, a third of a class; persons differ, and the true gain is 0.1."""
    settings = SETTINGS.model_copy(update={"bootstrap_resamples": 299})
    targets = np.tile([0, 0, 1, 1, 2, 2], 40)
    groups = np.repeat(alone(40), 6).tolist()
    covered = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        ease = np.repeat(rng.uniform(-0.3, 0.2, 40), 6)
        luck = rng.random((2, 240))
        candidate, champion = luck[0] < 0.75 + ease, luck[1] < 0.65 + ease
        interval = compare(targets, candidate, champion, groups, LABELS, settings).macro_recall
        covered += interval.low <= 0.1 <= interval.high
    assert 88 <= covered <= 100
