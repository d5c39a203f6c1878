from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from facesent.model.architectures.build import build
from facesent.model.backend import keras
from facesent.model.inference import fold_batch_norm
from facesent.model.settings import Model

layers = keras.layers


def reference() -> Any:
    return build(Model(name="reference_cnn", image_size=16, dropout=0.5, batch_norm_momentum=0.9), 3)


def sequential() -> Any:
    return keras.Sequential(
        [
            keras.Input((9, 9, 3)),
            layers.Conv2D(6, (3, 5), strides=2, padding="same", groups=3),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Conv2D(4, 3, dilation_rate=2, use_bias=False),
            layers.BatchNormalization(scale=False, center=False),
        ]
    )


def with_other_consumers() -> Any:
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(3, 3, padding="same")(inputs)
    return keras.Model(inputs, [layers.BatchNormalization()(x) + x, x])


def with_shared_layers() -> Any:
    inputs = keras.Input((8, 8, 3))
    convolution, normalisation = layers.Conv2D(3, 3, padding="same"), layers.BatchNormalization()
    return keras.Model(inputs, normalisation(convolution(normalisation(convolution(inputs)))))


def with_a_convolution_of_maps_and_of_pixels() -> Any:
    inputs = keras.Input((2, 2, 3))
    convolution, normalisation = layers.Conv2D(3, 3, padding="same"), layers.BatchNormalization()
    x = layers.MaxPooling2D()(normalisation(convolution(inputs)))
    return keras.Model(inputs, normalisation(convolution(x)))


def with_depthwise_convolutions() -> Any:
    inputs = keras.Input((8, 8, 3))
    x = layers.DepthwiseConv2D(3, strides=2, depth_multiplier=2, use_bias=False)(inputs)
    x = layers.DepthwiseConv2D(3, padding="same")(layers.BatchNormalization()(x))
    return keras.Model(inputs, layers.BatchNormalization()(x))


def with_nothing_to_fold() -> Any:
    inputs = keras.Input((8, 8, 3))
    x = layers.BatchNormalization()(inputs)
    x = layers.BatchNormalization()(layers.Conv2D(4, 3, activation="relu")(x))
    x = layers.BatchNormalization()(layers.SeparableConv2D(4, 3)(x))
    x = layers.BatchNormalization(axis=1)(layers.Conv2D(4, 1)(x))
    return keras.Model(inputs, layers.BatchNormalization()(layers.Flatten()(x)))


def randomise(model: Any) -> None:
    rng = np.random.default_rng(7)
    for variable in model.weights:
        low, high = (0.3, 2.0) if "variance" in variable.path else (-0.5, 0.5)
        if "float" in variable.dtype:
            variable.assign(rng.uniform(low, high, variable.shape))


def count(model: Any, kind: type) -> int:
    return sum(isinstance(layer, kind) for layer in model.layers)


@pytest.mark.parametrize(
    ("make", "left"),
    [
        (reference, 0),
        (sequential, 0),
        (with_other_consumers, 0),
        (with_shared_layers, 0),
        (with_a_convolution_of_maps_and_of_pixels, 0),
        (with_depthwise_convolutions, 0),
        (with_nothing_to_fold, 5),
    ],
)
def test_a_folded_network_answers_the_same(make: Callable[[], Any], left: int) -> None:
    model = make()
    randomise(model)
    images = np.random.default_rng(8).integers(0, 256, (5, *model.input_shape[1:])).astype(model.inputs[0].dtype)
    if model.inputs[0].dtype != "uint8":
        images = images / 255
    before = keras.tree.map_structure(keras.ops.convert_to_numpy, model(images, training=False))
    folded = fold_batch_norm(model)
    after = keras.tree.map_structure(keras.ops.convert_to_numpy, folded(images, training=False))
    keras.tree.assert_same_structure(before, after)
    for plain, quick in zip(keras.tree.flatten(before), keras.tree.flatten(after), strict=True):
        np.testing.assert_allclose(quick, plain, rtol=1e-5, atol=1e-5)
    assert count(folded, layers.BatchNormalization) == left
    assert count(model, layers.BatchNormalization) > 0


def test_the_given_network_stays_as_it_was() -> None:
    model = reference()
    randomise(model)
    images = np.random.default_rng(8).integers(0, 256, (2, 16, 16, 3), dtype=np.uint8)
    before = [np.array(value) for value in model.get_weights()]
    outputs = np.array(model(images, training=False))
    fold_batch_norm(model)
    assert all(np.array_equal(old, new) for old, new in zip(before, model.get_weights(), strict=True))
    np.testing.assert_array_equal(np.array(model(images, training=False)), outputs)
