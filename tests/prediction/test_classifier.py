import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from facesent.images.reading import ImageError
from facesent.model.architectures.build import build
from facesent.model.backend import keras
from facesent.model.settings import Model
from facesent.model.storage import save_labels, save_model
from facesent.prediction.classifier import Classifier

LABELS = ["Angry", "Happy", "Sad"]


@pytest.fixture(scope="module")
def model() -> Any:
    keras.utils.set_random_seed(7)
    return build(Model(name="reference_cnn", image_size=16, dropout=0.5, batch_norm_momentum=0.9), 3)


@pytest.fixture(scope="module")
def classifier(model: Any) -> Classifier:
    return Classifier(model, LABELS)


@pytest.fixture(scope="module")
def images() -> Any:
    return np.random.default_rng(8).integers(0, 256, (10, 16, 16, 3), dtype=np.uint8)


@pytest.mark.parametrize("batch_size", [1, 3, 10, 64])
def test_batches_score_what_the_network_scores(
    model: Any, classifier: Classifier, images: Any, batch_size: int
) -> None:
    scores = classifier.probabilities(images, batch_size=batch_size)
    np.testing.assert_allclose(scores, model(images, training=False), atol=1e-5)


def test_no_images_get_no_answers(classifier: Classifier, images: Any) -> None:
    assert classifier.probabilities(images[:0]).shape == (0, 3)
    assert classifier.predict([]) == []


def test_a_prediction_names_the_likeliest_label(classifier: Classifier, images: Any) -> None:
    scores = classifier.probabilities(images)
    for row, prediction in zip(scores, classifier.predict(list(images)), strict=True):
        assert prediction.label == LABELS[row.argmax()]
        assert prediction.confidence == prediction.probabilities[prediction.label] == pytest.approx(row.max())
        assert list(prediction.probabilities) == LABELS


def test_an_answer_that_is_not_sure_enough_is_uncertain(classifier: Classifier, images: Any) -> None:
    sure = classifier.probabilities(images).max(axis=1)
    least = float(np.median(sure))
    plain = classifier.predict(list(images))
    for confidence, answer, before in zip(
        sure, classifier.predict(list(images), min_confidence=least), plain, strict=True
    ):
        assert answer.label == (before.label if confidence >= least else "uncertain")
        assert (answer.confidence, answer.probabilities) == (before.confidence, before.probabilities)
    assert {"uncertain"} < {answer.label for answer in classifier.predict(list(images), min_confidence=least)}


@pytest.mark.parametrize("top_k", [1, 2, 3, 9])
def test_the_likeliest_labels_are_named_in_order(classifier: Classifier, images: Any, top_k: int) -> None:
    for whole, named in zip(
        classifier.predict(list(images)), classifier.predict(list(images), top_k=top_k), strict=True
    ):
        ordered = sorted(whole.probabilities.items(), key=lambda item: -item[1])
        assert list(named.probabilities.items()) == ordered[:top_k]
        assert (named.label, named.confidence) == (whole.label, whole.confidence)


def test_files_are_read_at_the_size_of_the_network(classifier: Classifier) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30), "teal").save(buffer, "PNG")
    assert classifier.read(buffer.getvalue()).shape == (16, 16, 3)
    with pytest.raises(ImageError, match="no bytes"):
        classifier.read(b"")


def test_the_files_of_the_training_give_the_same_answers(
    model: Any, classifier: Classifier, images: Any, tmp_path: Path
) -> None:
    save_model(model, tmp_path / "model.keras")
    save_labels(LABELS, tmp_path / "labels.json")
    loaded = Classifier.load(tmp_path / "model.keras", tmp_path / "labels.json")
    loaded.warm_up()
    assert loaded.labels == LABELS
    np.testing.assert_allclose(loaded.probabilities(images), classifier.probabilities(images), atol=1e-6)


def test_labels_that_do_not_fit_the_network_are_refused(model: Any) -> None:
    with pytest.raises(ValueError, match="Expected 3 labels"):
        Classifier(model, ["Happy", "Sad"])
