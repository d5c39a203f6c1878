from typing import Any

import numpy as np
import pytest

from facesent.evaluation import behaviour
from facesent.evaluation.behaviour import HARMLESS, measure_behaviour, mouth_covered

SIDE = 50


@pytest.fixture
def images() -> Any:
    return np.random.default_rng(1).integers(0, 256, (6, SIDE, SIDE, 3), dtype=np.uint8)


@pytest.mark.parametrize("name", HARMLESS)
def test_a_change_keeps_form_and_type_and_the_given_images(images: Any, name: str) -> None:
    before = images.copy()
    changed = HARMLESS[name](images)
    assert (changed.shape, changed.dtype) == (images.shape, np.uint8)
    assert (changed != images).any()
    assert (images == before).all()


def test_a_mirror_image_of_a_mirror_image_is_the_image(images: Any) -> None:
    assert (behaviour.mirrored(behaviour.mirrored(images)) == images).all()


def test_a_shift_moves_right_and_down_and_repeats_the_edge(images: Any) -> None:
    moved = behaviour.shifted(images, 0.1)
    assert (moved[:, 5:, 5:] == images[:, :-5, :-5]).all()
    assert (moved[:, :5, 5:] == images[:, :1, :-5]).all()


def test_brightness_is_cut_at_white() -> None:
    grey = np.full((1, 2, 2, 3), 100, np.uint8)
    assert (behaviour.brightened(grey, 0.15) == 115).all()
    assert (behaviour.brightened(grey, -0.15) == 85).all()
    assert (behaviour.brightened(grey + 150, 0.15) == 255).all()


def test_jpeg_of_less_quality_changes_more() -> None:
    smooth = np.linspace(0, 255, SIDE * SIDE * 3).reshape(1, SIDE, SIDE, 3).astype(np.uint8)
    loss = [np.abs(behaviour.compressed(smooth, quality) - smooth.astype(float)).mean() for quality in (10, 90)]
    assert loss[0] > loss[1]


def test_only_the_mouth_is_covered(images: Any) -> None:
    covered = mouth_covered(images)
    rows, columns = (covered != images).any(axis=(0, 3)).nonzero()
    assert (rows.min(), rows.max()) == (31, 43)
    assert (columns.min(), columns.max()) == (10, 39)
    assert (covered[:, 31:44, 10:40] == covered[:, 31:32, 10:11]).all()


def mouth_reader(images: Any) -> Any:
    """Sure of class 1 as far as the mouth's corner is bright, whatever the rest."""
    bright = images[:, 35, 25].mean(axis=1) / 255
    return np.stack([1 - bright, bright], axis=1)


def test_a_smile_falls_when_what_tells_it_is_covered() -> None:
    images = np.zeros((4, SIDE, SIDE, 3), np.uint8)
    images[:3, 31:44, 10:40] = 255
    measured = measure_behaviour(mouth_reader, images, np.array([1, 1, 0, 1]), smile=1).smile
    assert measured is not None
    # The third is no smile, and the fourth not recognised.
    assert measured.images == 2
    assert measured.confidence == 1
    assert measured.fall > 0.8


def test_a_model_that_sees_nothing_keeps_all_answers_and_loses_no_smile(images: Any) -> None:
    measured = measure_behaviour(lambda images: np.tile([0.2, 0.8], (len(images), 1)), images, np.ones(6, int), 1)
    assert set(measured.kept.values()) == {1.0}
    assert measured.smile is not None
    assert measured.smile.fall == pytest.approx(0)


def test_a_model_that_goes_by_single_values_is_told_by_its_answers() -> None:
    images = np.random.default_rng(2).integers(0, 256, (60, SIDE, SIDE, 3), dtype=np.uint8)
    kept = measure_behaviour(lambda images: np.eye(6)[images[:, 7, 9, 0] % 6], images, np.zeros(60, int)).kept
    assert max(kept.values()) < 0.5


def test_without_smiles_or_a_class_for_them_nothing_is_said_of_them(images: Any) -> None:
    assert measure_behaviour(mouth_reader, images, np.zeros(6, int), smile=1).smile is None
    measured = measure_behaviour(mouth_reader, images, np.zeros(6, int))
    assert measured.smile is None
    assert set(measured.as_dict()) == {"kept"}


def test_known_scores_are_not_made_again(images: Any) -> None:
    inverted = 1 - mouth_reader(images)
    kept = measure_behaviour(mouth_reader, images, np.zeros(6, int), before=inverted).kept
    assert kept["jpeg"] < 0.5


def test_no_images_are_refused(images: Any) -> None:
    with pytest.raises(ValueError, match="at least one image"):
        measure_behaviour(mouth_reader, images[:0], np.zeros(0, int))
