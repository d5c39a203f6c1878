import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from facesent.images.rows import UNCERTAIN
from facesent.model.architectures.build import build
from facesent.model.settings import Model
from facesent.prediction.classifier import Classifier
from facesent.prediction.unlike import Known, calibrated, embed

LABELS = ["Happy", "Sad"]
NETWORK = Model(name="reference_cnn", image_size=16, dropout=0.0, batch_norm_momentum=0.9)


def embeddings(count: int, seed: int) -> np.ndarray:
    """Around one direction of eight."""
    return (np.eye(8)[0] + 0.1 * np.random.default_rng(seed).normal(size=(count, 8))).astype(np.float32)


def test_one_of_twenty_people_of_validation_is_called_unlike_however_many_photos_each_has(tmp_path: Path) -> None:
    people = [f"person {number // 5}" for number in range(200)] + ["often"] * 300
    val = np.concatenate([embeddings(200, 1), np.tile(-np.eye(8, dtype=np.float32)[0], (300, 1))])
    known = calibrated(embeddings(50, 2), [f"{number:016x}" for number in range(50)], val, people, neighbours=5)
    # One of 41 people is wholly unlike, so that of the photos of the others a little less than that is.
    assert known.unlike(val[200:]).all()
    assert 0.02 < known.unlike(val[:200]).mean() < 0.03
    known.save(tmp_path / "known.npz")
    again = Known.load(tmp_path / "known.npz")
    np.testing.assert_array_equal(again.distances(val), known.distances(val))
    assert again.threshold == known.threshold


def test_many_images_are_never_compared_with_all_training_images_at_once() -> None:
    known = Known(embeddings(3000, 1), np.array(["0"] * 3000), 5, np.inf)
    images = embeddings(3000, 2)
    whole = 4 * 3000 * 3000
    tracemalloc.start()
    try:
        distances = known.distances(images)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < whole / 3
    np.testing.assert_allclose(distances[2900:], known.distances(images[2900:]), rtol=1e-5, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("flip_average", [False, True])
def test_what_is_far_from_the_training_images_is_marked_and_probabilities_stay(
    flip_average: bool, pixels: Callable[[int], np.ndarray]
) -> None:
    model = build(NETWORK, len(LABELS), flip_average=flip_average)
    images = pixels(6)
    embedded = embed(model, images)
    assert embedded.shape == (6, 256)
    plain = Classifier(model, LABELS)
    names = list("abcdef")
    known = calibrated(embedded, names, embedded, names, neighbours=1)
    near, far = (replace(known, threshold=threshold) for threshold in (0.5, -1.0))
    knowing = Classifier(model, LABELS, near)
    np.testing.assert_allclose(knowing.probabilities(images), plain.probabilities(images), atol=1e-6)
    assert {one.unlike for one in knowing.predict(list(images))} == {None}
    assert {one.unlike for one in knowing.predict(list(images), unlike="mark")} == {False}
    assert set(plain.predict(list(images))[0].as_dict()) == {"label", "confidence", "probabilities"}
    marked, unsure = (Classifier(model, LABELS, far).predict(list(images), unlike=how) for how in ("mark", UNCERTAIN))
    assert all(one.as_dict()["unlike"] for one in marked)
    assert {one.label for one in marked} <= set(LABELS)
    assert {one.label for one in unsure} == {UNCERTAIN}


@pytest.fixture
def pixels() -> Callable[[int], np.ndarray]:
    return lambda count: np.random.default_rng(3).integers(0, 255, (count, 16, 16, 3), dtype=np.uint8)
