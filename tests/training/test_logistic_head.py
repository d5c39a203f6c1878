from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from facesent.images.augmentation.settings import Augment
from facesent.images.batches import Examples, TrainingBatches, TrainingExamples, class_weights, equal_weights
from facesent.images.keeping import decoded_files
from facesent.images.reading import read_images
from facesent.model.architectures.build import build
from facesent.model.backend import keras, make_deterministic
from facesent.params import load_params
from facesent.training.checkpoint import CheckpointFolder
from facesent.training.logistic_head import solve_head
from facesent.training.loop import Trained, train
from facesent.training.settings import Head, Train

PARAMS = load_params(Path(__file__).parents[2] / "params.yaml")
MODEL = PARAMS.model.model_copy(update={"name": "mobilenet", "image_size": 32, "last_layer": "conv_pw_3_relu"})
SETTINGS = PARAMS.train.model_copy(
    update={"precision": "float32", "epochs": 1, "head": Head(epochs=1, solver="logistic")}
)
STRONG_AUGMENTATION = Augment(flip=True, rotation=90, zoom=0.5, shift=0.5)


def examples(count: int, classes: int = 3) -> Examples:
    """Noise that is brighter, or redder, with the class."""
    chance = np.random.default_rng(count)
    targets = np.arange(count) % classes
    images = chance.integers(0, 120, (count, 32, 32, 3))
    images[..., 0] += targets[:, None, None] * 40
    return Examples(images.astype(np.uint8), targets)


def batches(seen: Examples | TrainingExamples, classes: int = 3) -> TrainingBatches:
    return TrainingBatches(seen, 16, STRONG_AUGMENTATION, 7, class_weights(seen.targets, classes))


def solved(shrinkage: float, classes: int = 3) -> keras.Model:
    make_deterministic(7)
    model = build(MODEL, classes)
    solve_head(model, batches(examples(60, classes), classes), shrinkage)
    return model


def objective(model: keras.Model, kernel: np.ndarray, bias: np.ndarray, shrinkage: float) -> float:
    """The mean log loss, and the norm of the weights of standardised features."""
    seen = examples(60, len(bias))
    both = np.concatenate([seen.images, seen.images[:, :, ::-1]])
    features = np.asarray(keras.Model(model.input, model.get_layer("head_logits").input)(both), np.float64)
    logits = features @ kernel + bias
    logits -= logits.max(axis=1, keepdims=True)
    losses = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(both)), np.tile(seen.targets, 2)]
    norm = np.square(kernel * features.std(axis=0)[:, None]).sum()
    return float(losses.mean() + shrinkage * norm / 2)


@pytest.mark.parametrize("classes", [2, 3])
def test_the_head_is_at_the_minimum(classes: int) -> None:
    model = solved(0.5, classes)
    kernel, bias = (np.asarray(value, np.float64) for value in model.get_layer("head_logits").get_weights())
    least = objective(model, kernel, bias, 0.5)
    chance = np.random.default_rng(0)
    for scale in (0.01, 0.1):
        for _ in range(5):
            other = kernel + scale * np.abs(kernel).mean() * chance.standard_normal(kernel.shape)
            assert objective(model, other, bias, 0.5) > least
    for factor in (0.95, 1.05):
        assert objective(model, factor * kernel, factor * bias, 0.5) > least
    assert objective(model, kernel, bias + np.array([0.05, -0.05, 0][:classes]), 0.5) > least


def test_more_shrinkage_leaves_smaller_weights() -> None:
    weak, strong = (np.abs(solved(shrinkage).get_layer("head_logits").kernel).mean() for shrinkage in (0.1, 10))
    assert strong < weak / 2


def test_of_two_classes_the_answers_are_right_and_sum_to_one() -> None:
    seen = examples(60, 2)
    answers = np.asarray(solved(0.1, 2)(seen.images))
    assert np.allclose(answers.sum(axis=1), 1)
    assert (answers.argmax(axis=1) == seen.targets).mean() > 0.9


def test_images_are_taken_as_they_are_and_each_once() -> None:
    seen = examples(60)
    given = np.concatenate([images for images, *_ in batches(seen).unchanged()])
    assert sorted(map(bytes, given)) == sorted(map(bytes, seen.images))


def test_photos_are_resized_as_those_are_that_are_scored(tmp_path: Path) -> None:
    chance = np.random.default_rng(3)
    files = [tmp_path / f"{number}.png" for number in range(20)]
    for file in files:
        Image.fromarray(chance.integers(0, 256, (48, 44, 3), np.uint8)).save(file)
    seen = TrainingExamples(decoded_files(files, 32), np.arange(20) % 3)
    given = np.concatenate([images for images, *_ in batches(seen).unchanged()])
    assert sorted(map(bytes, given)) == sorted(map(bytes, read_images(files, 32)))


def test_a_head_learns_soft_targets_as_the_images_many_times_with_each_class_as_often() -> None:
    seen = examples(60)
    shares = np.array([[0.75, 0.25, 0.0], [0.0, 0.5, 0.5], [0.25, 0.25, 0.5]], np.float32)[seen.targets]
    counts = (4 * shares).astype(int)
    rows, classes = np.repeat(np.arange(60), 4), np.concatenate([np.repeat(np.arange(3), count) for count in counts])
    answers = []
    for some, soft in ((seen, shares), (Examples(seen.images[rows], classes), None)):
        make_deterministic(7)
        model = build(MODEL, 3)
        solve_head(model, TrainingBatches(some, 16, STRONG_AUGMENTATION, 7, equal_weights(3), soft=soft), 0.5)
        answers.append(np.asarray(model(seen.images)))
    assert answers[0] == pytest.approx(answers[1], abs=1e-3)
    assert np.abs(answers[0] - shares).mean() < 0.1


def trained(folder: Path, settings: Train = SETTINGS) -> Trained:
    seen, validation = examples(60), examples(30)
    checkpoint = CheckpointFolder(folder, lambda error: pytest.fail(str(error)))
    return train(seen, validation, 3, MODEL, settings, checkpoint=checkpoint, fingerprint="a")


def test_a_training_keeps_the_backbone_and_reaches_the_same_weights_again(tmp_path: Path) -> None:
    first, again = trained(tmp_path / "first"), trained(tmp_path / "again")
    make_deterministic(SETTINGS.seed)
    fresh = build(MODEL, 3)
    for name in ("conv1", "conv_dw_2", "conv_pw_3"):
        assert np.array_equal(first.model.get_layer(name).kernel, fresh.get_layer(name).kernel)
    assert all(map(np.array_equal, first.model.get_weights(), again.model.get_weights()))
    assert first.history[0]["val_accuracy"] > 0.9


@pytest.mark.long
def test_epochs_after_the_head_fine_tune_from_it(tmp_path: Path) -> None:
    result = trained(tmp_path, SETTINGS.model_copy(update={"epochs": 2}))
    assert [row["learning_rate"] > 0 for row in result.history] == [False, True]


def test_a_head_that_is_solved_takes_one_epoch_and_one_device() -> None:
    with pytest.raises(ValidationError, match=r"expected epochs: 1\. Received: 2"):
        Head(epochs=2, solver="logistic")
    with pytest.raises(ValidationError, match=r"expected distribute: none\. Received: mirrored"):
        Train.model_validate({**SETTINGS.model_dump(), "distribute": "mirrored"})
