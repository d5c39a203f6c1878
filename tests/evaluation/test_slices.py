import numpy as np
import pandas as pd
import pytest

from facesent.evaluation.slices import Slice, slices


def found(facts: dict[str, object], correct: list[bool]) -> list[Slice]:
    people = [f"person {number}" for number in range(len(correct))]
    return slices(pd.DataFrame({"label": "Happy", "group": people, **facts}), np.array(correct), 0.95)


def names(parts: list[Slice], attribute: str) -> list[str]:
    return [part.name for part in parts if part.attribute == attribute]


def test_the_weakest_third_comes_first_and_is_called_weaker() -> None:
    brightness = np.arange(90.0)
    parts = found({"brightness": brightness}, list(brightness >= 30))
    assert [(part.attribute, part.name) for part in parts[:2]] == [("brightness", "dark"), ("class", "Happy")]
    dark, everything, *rest = parts
    assert dark.bounds == (0, 29)
    assert (dark.accuracy.images, dark.accuracy.value, dark.finding) == (30, 0, "weaker")
    assert everything.accuracy.value == pytest.approx(2 / 3)
    assert everything.finding == "no difference"
    assert {part.finding for part in rest} == {"better"}
    assert names(rest, "brightness") == ["bright", "medium"]


def test_of_few_images_nothing_is_said_and_they_come_last() -> None:
    parts = found({"label": ["Happy"] * 20 + ["Sad"]}, [True] * 20 + [False])
    assert [(part.name, part.finding) for part in parts] == [("Happy", "no difference"), ("Sad", "too few")]
    assert parts[-1].accuracy.low == 0
    assert parts[-1].accuracy.high > 0.7


def test_many_photos_of_one_person_say_little() -> None:
    wrong, right = [False] * 20, [True] * 60
    apart = found({"label": ["Angry"] * 20 + ["Sad"] * 60}, [*wrong, *right])[0]
    facts = {"label": ["Angry"] * 20 + ["Sad"] * 60, "group": ["one"] * 20 + [str(number) for number in range(60)]}
    together = found(facts, [*wrong, *right])[0]
    assert (apart.name, apart.finding) == ("Angry", "weaker")
    assert (together.name, together.finding) == ("Angry", "no difference")
    assert (together.accuracy.low, together.accuracy.high) == (0, 1)


def test_few_different_values_are_parts_of_their_own() -> None:
    sides = [48] * 40 + [224] * 12
    parts = found({"width": sides, "height": [300] * 52}, [True] * 52)
    assert {(part.name, part.bounds, part.accuracy.images) for part in parts if part.attribute == "size"} == {
        ("small", (48, 48), 40),
        ("large", (224, 224), 12),
    }


def test_an_attribute_without_differences_or_values_gives_no_slices() -> None:
    parts = found({"width": [64] * 30, "height": [64] * 30, "sharpness": [np.nan] * 30}, [True] * 30)
    assert [part.attribute for part in parts] == ["class"]


def test_an_image_whose_brightness_is_unknown_is_in_no_slice_by_it() -> None:
    brightness = [np.nan, *np.arange(30.0)]
    parts = found({"brightness": brightness}, [True] * 31)
    assert sum(part.accuracy.images for part in parts if part.attribute == "brightness") == 30
