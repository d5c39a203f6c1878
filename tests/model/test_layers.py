import numpy as np
import pytest

from facesent.model.backend import keras
from facesent.model.layers import Convolution3x3


def loss_and_gradients(layer: keras.layers.Layer, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    import tensorflow as tf

    with tf.GradientTape() as tape:
        loss = keras.ops.sum(keras.ops.square(layer(images)))
    return np.asarray(loss), np.asarray(tape.gradient(loss, layer.kernel.value))


@pytest.mark.parametrize("side", [1, 2, 5])
def test_outputs_and_gradients_are_those_of_the_plain_layer(side: int) -> None:
    images = np.random.default_rng(1).normal(size=(4, side, side, 3)).astype(np.float32)
    layer, plain = Convolution3x3(8), keras.layers.Conv2D(8, 3, padding="same", use_bias=False)
    layer.build(images.shape)
    plain.build(images.shape)
    plain.kernel.assign(layer.kernel)
    assert np.asarray(layer(images)) == pytest.approx(np.asarray(plain(images)), abs=1e-5)
    for mine, theirs in zip(loss_and_gradients(layer, images), loss_and_gradients(plain, images), strict=True):
        assert mine == pytest.approx(theirs, rel=1e-4, abs=1e-4)


def test_the_layer_comes_back_from_its_configuration() -> None:
    layer = Convolution3x3(8, name="convolution")
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert (type(copy), copy.filters, copy.name, copy.padding) == (Convolution3x3, 8, "convolution", "same")
