import numpy as np
import pytest

from facesent.model.architectures import build
from facesent.params import Model


def settings(image_size: int) -> Model:
    return Model(name="reference_cnn", image_size=image_size, dropout=0.3, batch_norm_momentum=0.9)


def test_the_reference_network_has_its_parameters_at_six_classes() -> None:
    assert build(settings(224), 6).count_params() == 27_932_646


@pytest.mark.parametrize("image_size", [16, 48, 64])
def test_the_parameters_do_not_depend_on_the_image_size(image_size: int) -> None:
    assert build(settings(image_size), 6).count_params() == 27_932_646


@pytest.mark.parametrize("classes", [2, 5])
def test_the_outputs_are_probabilities(classes: int) -> None:
    images = np.random.default_rng(1).integers(0, 255, (3, 48, 48, 3), dtype=np.uint8)
    probabilities = np.asarray(build(settings(48), classes)(images, training=False))
    assert probabilities.shape == (3, classes)
    assert probabilities.sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_one_class_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 2 classes"):
        build(settings(48), 1)
