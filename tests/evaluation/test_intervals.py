from dataclasses import astuple

import numpy as np
import pytest

from facesent.evaluation.intervals import recall_of_groups, share_of, share_of_groups


def test_wilsons_interval() -> None:
    # Brown, Cai and DasGupta's formula by hand, with z = 1.959964.
    estimate = share_of(8, 10, 0.95)
    assert (estimate.value, estimate.right) == (0.8, 8)
    assert (estimate.low, estimate.high) == pytest.approx((0.490162, 0.943318), abs=1e-6)


@pytest.mark.parametrize(("right", "end"), [(14, 1.0), (0, 0.0)])
def test_all_or_none_of_a_few_is_not_certain(right: int, end: float) -> None:
    estimate = share_of(right, 14, 0.95)
    assert end in (estimate.low, estimate.high)
    assert 0.2 < estimate.high - estimate.low < 0.25


def test_of_no_images_nothing_is_known() -> None:
    estimate = share_of(0, 0, 0.95)
    assert (estimate.low, estimate.high) == (0, 1)


@pytest.mark.parametrize(("people", "photos"), [(15, 8), (40, 3), (120, 1), (15, 1)])
def test_over_people_the_interval_holds_the_truth_as_often_as_it_says(people: int, photos: int) -> None:
    """Each person is right by a chance of its own, .7 in the mean."""
    chance = np.random.default_rng(people)
    groups = [str(person) for person in range(people) for _ in range(photos)]
    held = []
    for _ in range(500):
        right = chance.random(people * photos) < np.repeat(chance.beta(2.1, 0.9, people), photos)
        estimate = share_of_groups(right, groups, 0.95)
        held.append(estimate.low <= 0.7 <= estimate.high)
    assert 0.93 <= np.mean(held) <= 0.99


def test_photos_of_one_person_say_less_than_photos_of_many() -> None:
    right = np.arange(60) < 45
    alone = share_of_groups(right, [str(photo) for photo in range(60)], 0.95)
    together = share_of_groups(right, [str(photo // 15) for photo in range(60)], 0.95)
    assert alone.value == together.value == 0.75
    assert together.high - together.low > 2 * (alone.high - alone.low)
    assert share_of_groups(right, ["one"] * 60, 0.95).low == 0


def test_macro_recall_covers_what_is_true_and_weighs_classes_alike() -> None:
    rng = np.random.default_rng(5)
    covered = []
    for _ in range(200):
        # 40 people, each with four photos that are right or wrong much alike; one class is rare and hard.
        skill = np.repeat(rng.normal(0, 0.15, 40), 4)
        labels = np.where(rng.random(160) < 0.8, "Happy", "Sad")
        right = rng.random(160) < np.where(labels == "Happy", 0.8, 0.5) + skill
        found = recall_of_groups(right, list(labels), [str(photo // 4) for photo in range(160)], 0.95)
        covered.append(found.low <= 0.65 <= found.high)
    assert np.mean(covered) > 0.92
    certain = recall_of_groups(np.full(20, True), ["Happy", "Sad"] * 10, [str(photo // 2) for photo in range(20)], 0.95)
    assert certain.value == certain.high == 1
    assert 0.6 < certain.low < 0.75
    assert recall_of_groups(np.full(20, True), ["Happy"] * 20, ["one"] * 20, 0.95).low == 0


@pytest.mark.parametrize(
    ("people", "photos", "shared", "widest"),
    [
        # The classes are of the same people, so that all recalls are high or low together.
        ([15] * 6, 3, True, 0.2),
        # Of one class there are many photos of two people.
        ([2, 20, 20, 20, 20, 20], 5, False, 0.22),
        ([4, 5, 6, 8, 10, 15], 2, False, 0.28),
    ],
)
def test_macro_recall_covers_what_is_true_with_few_people_and_with_people_in_all_classes(
    people: list[int], photos: int, shared: bool, widest: float
) -> None:
    rng = np.random.default_rng(1)
    recalls = np.array([0.8, 0.7, 0.9, 0.6, 0.75, 0.85])
    label = np.repeat(np.arange(6), np.array(people) * photos)
    person = np.concatenate([np.repeat(np.arange(count), photos) for count in people])
    names = [f"{number}" if shared else f"{number} of {of}" for number, of in zip(person, label, strict=True)]
    covered, widths = [], []
    for _ in range(300):
        skill = rng.normal(0, 0.15, (1 if shared else 6, max(people)))
        right = rng.random(len(label)) < recalls[label] + skill[0 if shared else label, person]
        found = recall_of_groups(right, [str(of) for of in label], names, 0.95)
        covered.append(found.low <= recalls.mean() <= found.high)
        widths.append(found.high - found.low)
    assert np.mean(covered) > 0.93
    assert np.mean(widths) < widest


def test_macro_recall_with_a_class_of_one_person_says_that_nothing_is_known_of_it() -> None:
    labels, people = ["Happy"] * 400 + ["Sad"] * 10, [str(photo) for photo in range(400)] + ["one"] * 10
    found = recall_of_groups(np.full(410, True), labels, people, 0.95)
    assert found.value == found.high == 1
    assert found.low < 0.51


def test_all_right_is_not_certain_either() -> None:
    estimate = share_of_groups(np.full(60, True), [str(photo // 4) for photo in range(60)], 0.95)
    assert 0.7 < estimate.low < 0.8
    assert estimate.high == 1


@pytest.mark.parametrize("photos", range(8, 201, 16))
def test_all_right_is_as_sure_with_weights_that_are_no_binary_fractions(photos: int) -> None:
    right, groups = np.full(photos, True), [str(photo // 4) for photo in range(photos)]
    plain = share_of_groups(right, groups, 0.95)
    assert astuple(share_of_groups(right, groups, 0.95, np.full(photos, 1 / 0.03))) == pytest.approx(astuple(plain))


def test_equal_weights_say_nothing_and_unequal_ones_make_it_wider() -> None:
    correct = np.array([True, False, True, True] * 10)
    groups = [str(number) for number in range(40)]
    plain = share_of_groups(correct, groups, 0.95)
    assert astuple(share_of_groups(correct, groups, 0.95, np.full(40, 50.0))) == pytest.approx(astuple(plain))
    unequal = share_of_groups(correct, groups, 0.95, np.array([1.0] * 20 + [9.0] * 20))
    assert unequal.value == plain.value
    assert unequal.high - unequal.low > plain.high - plain.low
