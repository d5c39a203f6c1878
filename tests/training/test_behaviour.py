"""A network that was really trained, on faces that are drawn here: what must not matter to it, and what must."""

from pathlib import Path

import numpy as np
import pytest

from facesent.evaluation.behaviour import HARMLESS, Behaviour, measure_behaviour
from facesent.images.batches import Examples
from facesent.params import load_params
from facesent.prediction.classifier import Classifier
from facesent.sources.drawn_faces.portrait import draw_portrait

pytestmark = [pytest.mark.slow, pytest.mark.long]

# The two differ by little but the mouth.
LABELS = ["Happy", "Neutral"]
SMILE = 0
SIDE = 48
PARAMS = load_params(Path(__file__).parents[2] / "params.yaml")
MODEL = PARAMS.model.model_copy(update={"image_size": SIDE})

# Well below what was seen, 0.85 and 0.2: another machine rounds otherwise and trains another network.
KEPT = 0.7
FALL = 0.05


def faces(persons: range) -> Examples:
    """One of each class a person, cropped to the face as most datasets are."""
    images = [
        draw_portrait(7, i, image, label, 80)[20:68, 16:64] for i in persons for image, label in enumerate(LABELS)
    ]
    return Examples(np.stack(images), np.tile(np.arange(len(LABELS)), len(persons)))


@pytest.fixture(scope="module")
def strangers() -> Examples:
    return faces(range(1000, 1040))


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Classifier:
    from facesent.training.checkpoint import CheckpointFolder
    from facesent.training.loop import train

    settings = PARAMS.train.model_copy(
        update={
            "batch_size": 16,
            "epochs": 8,
            "augment": PARAMS.train.augment.model_copy(update={"rotation": 5.0, "zoom": 0.0}),
        }
    )
    folder = CheckpointFolder(tmp_path_factory.mktemp("training") / "checkpoint", print)
    trained = train(
        faces(range(200)),
        faces(range(200, 220)),
        len(LABELS),
        MODEL,
        settings,
        checkpoint=folder,
        fingerprint="behaviour",
    )
    return Classifier(trained.model, LABELS)


@pytest.fixture(scope="module")
def behaviour(classifier: Classifier, strangers: Examples) -> Behaviour:
    return measure_behaviour(classifier.probabilities, strangers.images, strangers.targets, SMILE)


def test_it_has_learnt_to_tell_strangers_apart(classifier: Classifier, strangers: Examples) -> None:
    right = classifier.probabilities(strangers.images).argmax(axis=1) == strangers.targets
    assert right.mean() > 0.65


@pytest.mark.parametrize("change", HARMLESS)
def test_a_harmless_change_keeps_the_answer(behaviour: Behaviour, change: str) -> None:
    assert behaviour.kept[change] >= KEPT


def test_a_covered_mouth_costs_a_smile_confidence(behaviour: Behaviour) -> None:
    assert behaviour.smile is not None
    assert behaviour.smile.images >= 15
    assert behaviour.smile.fall > FALL


def test_an_untrained_network_does_not_look_at_the_mouth(strangers: Examples) -> None:
    from facesent.model.architectures.build import build
    from facesent.model.backend import keras

    keras.utils.set_random_seed(7)
    network = Classifier(build(MODEL, len(LABELS)), LABELS)
    answers = network.probabilities(strangers.images).argmax(axis=1)
    # Whichever class it happens to answer stands for the smile: of the other there is nothing to cover.
    common = int(np.bincount(answers, minlength=2).argmax())
    smile = measure_behaviour(network.probabilities, strangers.images, strangers.targets, common).smile
    assert smile is not None
    assert smile.fall < FALL
