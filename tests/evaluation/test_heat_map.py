"""On networks of a few numbers whose answer comes from a known place."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from facesent.images.reading import Pixels

pytestmark = pytest.mark.slow

SIDE = 32
BRIGHT = 0
PRESETS = Path(__file__).parents[2] / "presets"


@pytest.fixture(scope="module", autouse=True)
def tensorflow_backend() -> None:
    from facesent.model.backend import keras

    if keras.backend.backend() != "tensorflow":
        pytest.skip("gradients are taken with TensorFlow")


def brightness_network(*, steepness: float = 1.0, mirrored: bool = False, trainable: bool = True) -> Any:
    """Its logits are plus and minus the mean brightness over a convolution that keeps the image as it is."""
    from facesent.model.architectures.build import both_sides
    from facesent.model.backend import keras
    from facesent.model.layers import CalibratedSoftmax, MeanOfSides

    images = keras.Input((SIDE, SIDE, 3), dtype="uint8")
    x = both_sides(images) if mirrored else images
    x = keras.layers.Rescaling(1 / 255)(x)
    identity = keras.initializers.Identity()
    convolution = keras.layers.Conv2D(
        3, 1, kernel_initializer=lambda shape, dtype: identity(shape[2:], dtype)[None, None], trainable=trainable
    )
    x = keras.layers.GlobalAveragePooling2D()(convolution(x))
    logits = keras.layers.Dense(2)
    scores = logits(x)
    logits.set_weights([steepness * np.array([[1.0, -1.0]] * 3, np.float32), np.zeros(2, np.float32)])
    scores = MeanOfSides()(scores) if mirrored else scores
    return keras.Model(images, CalibratedSoftmax(name="probabilities")(scores))


def photo(row: int, column: int) -> "Pixels":
    """Black, but for a white square of 8 pixels."""
    image = np.zeros((SIDE, SIDE, 3), np.uint8)
    image[row : row + 8, column : column + 8] = 255
    return image


@pytest.mark.parametrize("options", [{}, {"mirrored": True}, {"trainable": False}, {"steepness": 1e4}])
def test_what_speaks_for_a_class_is_where_it_is(options: dict[str, Any]) -> None:
    from facesent.evaluation.heat_map import heat_maps

    network = brightness_network(**options)
    images = np.stack([photo(4, 20), photo(20, 4)])
    heats = heat_maps(network, images, np.array([BRIGHT, BRIGHT]))
    assert heats.shape == (2, SIDE, SIDE)
    for heat, image in zip(heats, images, strict=True):
        white = image[..., 0] == 255
        assert heat.max() == pytest.approx(1)
        assert heat[white].min() > 0.9
        assert heat[~white].max() == pytest.approx(0, abs=1e-6)


def test_what_each_backbone_found_is_in_one_map() -> None:
    from facesent.evaluation.heat_map import heat_map
    from facesent.model.backend import keras
    from facesent.model.layers import CalibratedSoftmax

    images = keras.Input((SIDE, SIDE, 3), dtype="uint8")
    x = keras.layers.Rescaling(1 / 255)(images)
    averages: list[Any] = []
    for channel, side in ((0, SIDE), (2, SIDE // 2)):
        kernel = np.zeros((1, 1, 3, 1), np.float32)
        kernel[0, 0, channel] = 1
        seen = x if side == SIDE else keras.layers.AveragePooling2D(SIDE // side)(x)
        convolution = keras.layers.Conv2D(1, 1, kernel_initializer=keras.initializers.Constant(kernel))
        name = f"head_average_{len(averages) + 1}"
        averages.append(keras.layers.GlobalAveragePooling2D(name=name)(convolution(seen)))
    logits = keras.layers.Dense(2)
    scores = logits(keras.layers.Concatenate()(averages))
    logits.set_weights([np.array([[1.0, -1.0]] * 2, np.float32), np.zeros(2, np.float32)])
    network = keras.Model(images, CalibratedSoftmax(name="probabilities")(scores))

    image = np.zeros((SIDE, SIDE, 3), np.uint8)
    image[4:12, 4:12, 0] = image[20:28, 20:28, 2] = 255
    heat = heat_map(network, image, BRIGHT)
    # The one backbone's maps are coarser, but what a place adds counts alike.
    assert heat[6:10, 6:10].mean() == pytest.approx(heat[22:26, 22:26].mean(), rel=0.1)
    assert heat[:16, 20:].max() < 0.1


def test_nothing_speaks_for_the_other_class() -> None:
    from facesent.evaluation.heat_map import heat_map

    heat = heat_map(brightness_network(), photo(4, 20), 1 - BRIGHT)
    assert not heat.any()


def test_maps_that_are_too_coarse_are_passed_over() -> None:
    from facesent.evaluation.heat_map import feature_layers
    from facesent.model.architectures.build import build
    from facesent.params import load_params

    settings = load_params(PRESETS / "quick.yaml").model
    assert settings.image_size == 64
    # The last maps of this network are a single pixel.
    (layer,) = feature_layers(build(settings, 6))
    assert layer.output.shape[1:3] == (8, 8)


def test_a_network_without_convolutions_has_no_heat_map() -> None:
    from facesent.evaluation.heat_map import NoHeatMapError, heat_map
    from facesent.model.backend import keras

    images = keras.Input((SIDE, SIDE, 3), dtype="uint8")
    scores = keras.layers.Dense(2, activation="softmax")(
        keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(images))
    )
    with pytest.raises(NoHeatMapError, match="Expected a network with convolutions"):
        heat_map(keras.Model(images, scores), photo(0, 0), 0)
