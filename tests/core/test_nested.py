from facesent.core.nested import flatten, with_values


def test_names_are_joined_in_their_order() -> None:
    nested = {"b": {"y": 1, "x": {"z": None}}, "a": [1, {"k": 2}], "none": {}}
    assert list(flatten(nested).items()) == [("b.y", 1), ("b.x.z", None), ("a", [1, {"k": 2}])]
    assert list(flatten(nested, "/")) == ["b/y", "b/x/z", "a"]


def test_values_are_set_in_a_copy() -> None:
    nested = {"train": {"epochs": 3, "loss": {"name": "focal"}}, "seed": 1}
    assert with_values(nested, {"train.loss.name": "other", "seed": 2}) == {
        "train": {"epochs": 3, "loss": {"name": "other"}},
        "seed": 2,
    }
    assert nested == {"train": {"epochs": 3, "loss": {"name": "focal"}}, "seed": 1}


def test_a_section_is_made_where_there_is_none() -> None:
    assert with_values({"a": None}, {"a.b.c": 1, "d.e": 2}) == {"a": {"b": {"c": 1}}, "d": {"e": 2}}
    assert with_values({"a": {"b": 1}}, {"a": None}) == {"a": None}
