from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facesent.images.augmentation.settings import Augment
from facesent.images.batches import TrainingBatches, TrainingExamples, equal_weights
from facesent.images.keeping import DecodedImages
from facesent.registry.sheets import choose_examples, save_augmentation_sheets
from tests.helpers.pictures import a_style_of_ones_own

STILL = Augment(flip=False, rotation=0, zoom=0, shift=0)
SOME = STILL.model_copy(update={"rotation": 15.0, "occlude_mouth": 0.1, "mixup": 0.4, "cutmix": 1.0})
LABELS = ["Happy", "Hidden", "Sad"]
# No mixture of the other two has this hue.
COLOURS = np.array([[200, 200, 0], [0, 0, 255], [200, 60, 0]], np.uint8)


@pytest.fixture
def examples() -> TrainingExamples:
    """Each image has the flat colour of its class."""
    targets = np.arange(30) % 3
    images = DecodedImages(lambda index: np.full((20, 24, 3), COLOURS[targets[index]], np.uint8), 30, 16)
    return TrainingExamples(images, targets)


def save(examples: TrainingExamples, settings: Augment, folder: Path, hidden: list[str]) -> list[Path]:
    return save_augmentation_sheets(examples, LABELS, settings, 7, folder, hidden)


def share_of_blue(path: Path) -> float:
    red, green, blue = np.asarray(Image.open(path).convert("RGB")).astype(int).transpose(2, 0, 1)
    return float((blue > np.maximum(red, green) + 40).mean())


def test_a_sheet_for_each_augmentation_that_is_on_and_one_for_all(examples: TrainingExamples, tmp_path: Path) -> None:
    paths = save(examples, SOME, tmp_path / "sheets", [])
    assert [path.stem for path in paths] == ["rotation", "occlude_mouth", "mixup", "cutmix", "all"]
    assert sorted(tmp_path.rglob("*.png")) == sorted(paths)


def test_nothing_is_drawn_where_nothing_is_on_or_may_be_shown(examples: TrainingExamples, tmp_path: Path) -> None:
    assert save(examples, STILL, tmp_path / "sheets", []) == []
    assert save(examples, SOME, tmp_path / "sheets", LABELS) == []
    assert not (tmp_path / "sheets").exists()


def test_a_rerun_gives_the_same_bytes_whatever_the_users_style(examples: TrainingExamples, tmp_path: Path) -> None:
    first = save(examples, SOME, tmp_path / "first", [])
    with a_style_of_ones_own():
        again = save(examples, SOME, tmp_path / "again", [])
    for one, another in zip(first, again, strict=True):
        assert one.read_bytes() == another.read_bytes()


def test_a_class_without_thumbnails_is_on_no_sheet_not_even_mixed_in(
    examples: TrainingExamples, tmp_path: Path
) -> None:
    settings = STILL.model_copy(update={"mixup": 1.0, "cutmix": 1.0})
    assert all(share_of_blue(path) > 0.05 for path in save(examples, settings, tmp_path / "shown", []))
    assert all(share_of_blue(path) == 0 for path in save(examples, settings, tmp_path / "hidden", ["Hidden"]))


def test_a_sheet_of_one_augmentation_shows_it_on_each_image(examples: TrainingExamples, tmp_path: Path) -> None:
    rare, certain = (STILL.model_copy(update={"grey": share}) for share in (0.001, 1.0))
    sheet = save(examples, rare, tmp_path / "rare", [])[0]
    other = save(examples, certain, tmp_path / "certain", [])[0]
    body = np.s_[100:]  # below the title, which names the share
    assert np.array_equal(np.asarray(Image.open(sheet))[body], np.asarray(Image.open(other))[body])


def test_the_sheet_of_all_shows_what_training_sees(examples: TrainingExamples, tmp_path: Path) -> None:
    settings = STILL.model_copy(update={"gamma": 1.0})
    sheet = np.asarray(Image.open(save(examples, settings, tmp_path, ["Hidden"])[-1]).convert("RGB"))
    shown = {tuple(colour) for colour in np.unique(sheet.reshape(-1, 3), axis=0)}
    chosen = choose_examples(examples.targets, LABELS, ["Hidden"], 7)
    numbered = TrainingExamples(examples.images, np.arange(30))  # a class an image tells which one it is
    batches = TrainingBatches(numbered, 30, settings, 7, equal_weights(30))
    for samples, targets, _ in batches.stream(0, epochs=3):
        trained = samples[np.argsort(targets.argmax(axis=1))][chosen]
        assert {tuple(colour) for colour in trained[:, 0, 0]} <= shown


def test_choice_is_spread_over_the_classes_that_may_be_shown() -> None:
    targets = np.repeat([0, 1, 2, 3], [50, 50, 1, 50])
    labels = ["Happy", "Hidden", "Rare", "Sad"]
    chosen = choose_examples(targets, labels, ["Hidden"], 7)
    assert np.array_equal(np.bincount(targets[chosen], minlength=4), [4, 0, 1, 3])
    assert len(set(chosen)) == 8
    assert np.array_equal(chosen, choose_examples(targets, labels, ["Hidden"], 7))
    assert not np.array_equal(chosen, choose_examples(targets, labels, ["Hidden"], 8))


def test_choice_of_few_images_is_all_of_them() -> None:
    assert sorted(choose_examples(np.array([0, 1, 1]), ["Happy", "Sad"], [], 7)) == [0, 1, 2]
