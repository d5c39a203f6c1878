from pathlib import Path

import pandas as pd
import pytest

from facesent.core.paths import Project
from facesent.experiments.folds import (
    CrossValidationError,
    Folder,
    assign,
    images_of,
    read_folds,
    round_of,
    write_folds,
)
from tests.helpers.folds_project import LABELS, images, make_project


def test_folds_never_split_a_group_and_hold_each_class_alike() -> None:
    assigned = assign(images(persons=15), folds=5, seed=7)
    assert assigned.groupby("group")["fold"].nunique().max() == 1
    assert (pd.crosstab(assigned["fold"], assigned["label"]) == 6).all(axis=None)


def test_each_image_is_held_out_once_validates_once_and_trains_otherwise() -> None:
    assigned = assign(images(), folds=5, seed=7)
    rounds = [round_of(assigned, fold) for fold in range(1, 6)]
    for name, times in {"test": 1, "val": 1, "train": 3}.items():
        seen = pd.concat([one.frames()[name] for one in rounds])["file_name"].value_counts()
        assert set(seen) == {times}
        assert len(seen) == len(assigned)


def test_a_rounds_sets_share_no_group() -> None:
    assigned = assign(images(), folds=3, seed=7)
    for fold in (1, 2, 3):
        groups = [set(frame["group"]) for frame in round_of(assigned, fold).frames().values()]
        assert all(groups)
        assert not groups[0] & groups[1] | groups[0] & groups[2] | groups[1] & groups[2]


def test_folds_depend_on_the_seed_and_not_on_the_order_of_the_images() -> None:
    frame = images()
    shuffled = frame.sample(frac=1, random_state=1)
    first = assign(frame, folds=3, seed=7)
    pd.testing.assert_frame_equal(first, assign(shuffled, folds=3, seed=7))
    assert any((assign(frame, folds=3, seed=seed)["fold"] != first["fold"]).any() for seed in (1, 2, 3))


def test_two_folds_leave_nothing_to_train_on() -> None:
    with pytest.raises(CrossValidationError, match=r"at least 3 folds.*Received: 2"):
        assign(images(), folds=2, seed=7)


def test_a_class_that_some_training_would_not_see_is_named() -> None:
    frame = images()
    rare = (frame["label"] == "Light") & (frame["group"] > "person-1")
    with pytest.raises(CrossValidationError, match=r"Received: Light in [12]\."):
        assign(frame[~rare], folds=3, seed=7)


def test_folds_that_no_class_has_images_for_are_refused() -> None:
    with pytest.raises(CrossValidationError, match=r"Received: Dark in 1, Light in 1, Middle in 1"):
        assign(images(persons=2), folds=9, seed=7)


def test_more_folds_than_images_or_groups_are_to_be_lowered() -> None:
    few_groups = r"Received: 11 folds for 10 groups, and 20 images in the largest class\. Lower .* at most 10\."
    with pytest.raises(CrossValidationError, match=few_groups):
        assign(images(persons=10), folds=11, seed=7)
    alone = images(persons=10)
    alone["group"] = alone["file_name"]
    with pytest.raises(CrossValidationError, match=r"Lower cross_validation\.folds .*, or --folds, to at most 20\."):
        assign(alone, folds=400, seed=7)
    assert assign(alone, folds=20, seed=7)["fold"].nunique() == 20


def test_test_images_are_never_taken(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    taken = images_of(project, ("train", "val"))
    assert len(taken) == 48
    assert set(taken["group"]) == {f"person-{person}" for person in range(2, 10)}
    assert set(taken["label"]) == set(LABELS)


def test_missing_splits_are_named(tmp_path: Path) -> None:
    with pytest.raises(CrossValidationError, match=r"no train\.csv\. Run: dvc repro split"):
        images_of(Project(tmp_path), ("train", "val"))


def test_folds_come_back_from_their_file(tmp_path: Path) -> None:
    frame = images()
    frame["label"] = frame["label"].replace("Dark", "NA")
    assigned = assign(frame, folds=3, seed=7)
    path = Folder(tmp_path / "new").folds
    write_folds(assigned, path)
    pd.testing.assert_frame_equal(read_folds(path), assigned, check_dtype=False)
