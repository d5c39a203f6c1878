"""Whether the values of a column differ beyond chance: of simulated test sets, so that the promise is kept."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from facesent.evaluation.gaps import ColumnResult, compare_values

LIMIT = 0.1


def simulated(
    rng: np.random.Generator, accuracies: Sequence[float], people: int, photos: int, columns: int = 1
) -> list[ColumnResult]:
    """``people`` a value with 1 to ``2 photos - 1`` photos each; a person's photos are right together (rho = .3)."""
    count, rho = people * len(accuracies), 0.3
    value = np.repeat(np.arange(len(accuracies)), people)
    mean = np.asarray(accuracies)[value] * (1 - rho) / rho
    skill = rng.beta(mean, (1 - rho) / rho - mean)
    person = np.repeat(np.arange(count), rng.integers(1, 2 * photos, count))
    test = pd.DataFrame({"label": "Happy", "group": person.astype(str)})
    # Each further column deals the same people anew.
    dealt = [value, *(rng.permutation(value) for _ in range(columns - 1))]
    table = pd.DataFrame({str(index): pd.Categorical(cells[person].astype(str)) for index, cells in enumerate(dealt)})
    return compare_values(table, test, rng.random(len(person)) < skill[person], 0.95)


def share_above(limit: float, draws: int, *, seed: int, **options: object) -> float:
    """Of so many test sets, those in which a gap's lower end is above ``limit``."""
    rng = np.random.default_rng(seed)
    found = [simulated(rng, **options) for _ in range(draws)]  # type: ignore[arg-type]
    return float(np.mean([any(column.gap and column.gap.low > limit for column in columns) for columns in found]))


@pytest.mark.parametrize(
    "options",
    [
        # 121 photos of 66 people, whose plain gap is .30 in the median.
        {"accuracies": [0.7] * 6, "people": 11, "photos": 2},
        pytest.param({"accuracies": [0.8] * 2, "people": 40, "photos": 2, "columns": 3}, marks=pytest.mark.long),
        pytest.param({"accuracies": [0.95] * 12, "people": 10, "photos": 1}, marks=pytest.mark.long),
        pytest.param({"accuracies": [0.6] * 4, "people": 150, "photos": 1}, marks=pytest.mark.long),
    ],
)
def test_equal_values_seldom_seem_to_differ(options: dict[str, object]) -> None:
    assert share_above(0.0, 200, seed=7, **options) <= 0.05


@pytest.mark.parametrize("accuracies", [[0.9, 0.5], [0.8] * 5 + [0.4]])
def test_a_gap_of_forty_points_is_found_with_forty_people_a_value(accuracies: list[float]) -> None:
    assert share_above(LIMIT, 100, seed=8, accuracies=accuracies, people=40, photos=2) >= 0.8


@pytest.mark.long
def test_the_ends_hold_what_is_true_where_values_differ() -> None:
    rng = np.random.default_rng(9)
    gaps = [simulated(rng, [0.85, 0.7, 0.55], people=30, photos=2)[0].gap for _ in range(300)]
    assert np.mean([gap is not None and gap.low <= 0.3 <= gap.high for gap in gaps]) >= 0.95


def test_so_many_people_as_it_says_show_that_equal_values_are() -> None:
    rng = np.random.default_rng(10)
    [few] = simulated(rng, [0.8] * 3, people=30, photos=2)
    assert few.gap
    assert few.gap.low == 0 < LIMIT < few.gap.high
    people = few.gap.people_for(LIMIT)
    assert 100 < people < 600
    many = [simulated(rng, [0.8] * 3, people=people, photos=2)[0].gap for _ in range(30)]
    assert np.mean([gap is not None and gap.high <= LIMIT for gap in many]) > 0.5


def test_values_are_judged_by_people_and_those_of_too_few_come_last() -> None:
    # 200 photos of 9 people say nothing, ten photos of ten people do; "old" is in no test image.
    people = [str(photo % 9) for photo in range(200)] + [f"y{person}" for person in range(10)] + ["x"] * 5
    values = ["middle"] * 200 + ["young"] * 10 + [None] * 5
    columns = pd.DataFrame({"age": pd.Categorical(values, ["middle", "old", "young"])})
    [age] = compare_values(columns, pd.DataFrame({"label": "Happy", "group": people}), np.full(215, True), 0.95)
    assert [(value.name, value.people, value.accuracy.images, value.finding) for value in age.values] == [
        ("young", 10, 10, "no difference"),
        ("old", 0, 0, "too few"),
        ("middle", 9, 200, "too few"),
    ]
    assert age.gap is None
    assert [value.name for value in age.too_few] == ["old", "middle"]


def test_macro_recall_needs_people_of_each_class() -> None:
    label = ["Happy"] * 30 + ["Sad"] * 10 + ["Happy"] * 40
    correct = np.array([True] * 30 + [False] * 5 + [True] * 45)
    test = pd.DataFrame({"label": label, "group": [str(index) for index in range(80)]})
    columns = pd.DataFrame({"age": pd.Categorical(["a"] * 40 + ["b"] * 40)})
    [age] = compare_values(columns, test, correct, 0.95)
    recalls = {value.name: value.macro_recall for value in age.values}
    assert recalls["b"] is None
    assert recalls["a"]
    assert recalls["a"].value == pytest.approx(0.75)
    assert recalls["a"].low < 0.6
    assert recalls["a"].high > 0.85
