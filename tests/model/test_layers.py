import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from facesent.model.architectures.build import build
from facesent.model.backend import keras
from facesent.model.layers import Convolution3x3, FusedBatchNormalization
from facesent.model.storage import save_model
from facesent.params import load_params

ROOT = Path(__file__).parents[2]


def loss_and_gradients(layer: keras.layers.Layer, images: np.ndarray) -> list[np.ndarray]:
    import tensorflow as tf

    # Neither constant nor symmetric in the outputs, or a normalised map's gradients would vanish.
    weights = np.random.default_rng(2).normal(size=layer(images).shape).astype(np.float32)
    with tf.GradientTape() as tape:
        inputs = tf.constant(images)
        tape.watch(inputs)
        loss = keras.ops.sum(weights * layer(inputs, **({"training": True} if layer.non_trainable_weights else {})))
    gradients = tape.gradient(loss, [inputs, *(weight.value for weight in layer.trainable_weights)])
    return [np.asarray(value) for value in (loss, *gradients)]


def agree(mine: list[np.ndarray], theirs: list[np.ndarray]) -> bool:
    return all(np.allclose(a, b, rtol=1e-4, atol=1e-4) for a, b in zip(mine, theirs, strict=True))


@pytest.mark.parametrize("shape", [(1, 1), (1, 4), (2, 2), (3, 3), (5, 3), (7, 7), (8, 8), (12, 9)])
def test_a_convolution_is_that_of_keras(shape: tuple[int, int]) -> None:
    images = np.random.default_rng(1).normal(size=(4, *shape, 3)).astype(np.float32)
    layer, plain = Convolution3x3(8), keras.layers.Conv2D(8, 3, padding="same", use_bias=False)
    layer.build(images.shape)
    plain.build(images.shape)
    plain.kernel.assign(layer.kernel)
    assert np.asarray(layer(images)) == pytest.approx(np.asarray(plain(images)), abs=1e-5)
    assert agree(loss_and_gradients(layer, images), loss_and_gradients(plain, images))


def test_a_convolution_takes_maps_of_unknown_size() -> None:
    inputs = keras.Input((None, None, 3))
    model = keras.Model(inputs, Convolution3x3(4)(inputs))
    assert model(np.ones((2, 5, 6, 3), np.float32)).shape == (2, 5, 6, 4)


def normalisations(channels: int) -> tuple[FusedBatchNormalization, keras.layers.BatchNormalization]:
    chance = np.random.default_rng(3)
    layers = FusedBatchNormalization(momentum=0.9), keras.layers.BatchNormalization(momentum=0.9)
    values = [chance.uniform(0.5, 2, channels).astype(np.float32) for _ in range(4)]
    for layer in layers:
        layer.build((None, 4, 4, channels))
        layer.set_weights(values)
    return layers


@pytest.mark.parametrize("shape", [(4, 4, 4, 8), (2, 1, 1, 8), (3, 7, 5, 8)])
def test_a_normalisation_is_that_of_keras(shape: tuple[int, ...]) -> None:
    images = np.random.default_rng(1).normal(2, 3, shape).astype(np.float32)
    fused, plain = normalisations(shape[-1])
    assert np.asarray(fused(images, training=False)) == pytest.approx(
        np.asarray(plain(images, training=False)), abs=1e-5
    )
    assert agree(loss_and_gradients(fused, images), loss_and_gradients(plain, images))
    # Both have seen the same batches twice: the moving statistics moved alike.
    for mine, theirs in zip(fused.get_weights(), plain.get_weights(), strict=True):
        assert mine == pytest.approx(theirs, rel=1e-5)
    assert not np.allclose(fused.get_weights()[2], normalisations(shape[-1])[0].get_weights()[2])


def test_a_frozen_normalisation_uses_and_keeps_the_moving_statistics() -> None:
    images = np.random.default_rng(1).normal(2, 3, (4, 4, 4, 8)).astype(np.float32)
    fused, plain = normalisations(8)
    fused.trainable = False
    before = fused.get_weights()
    outputs = np.asarray(fused(images, training=True))
    assert outputs == pytest.approx(np.asarray(plain(images, training=False)), abs=1e-5)
    assert all(np.array_equal(a, b) for a, b in zip(before, fused.get_weights(), strict=True))


@pytest.mark.parametrize("layer", [Convolution3x3(8, name="mine"), FusedBatchNormalization(momentum=0.7, name="mine")])
def test_a_layer_comes_back_from_its_configuration(layer: keras.layers.Layer) -> None:
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert type(copy) is type(layer)
    assert copy.get_config() == layer.get_config()


def test_a_saved_network_names_our_layers_by_a_path_that_stays(tmp_path: Path) -> None:
    """Every champion's file holds it: a layer that moves cannot be loaded from them any more."""
    model = build(load_params(ROOT / "params.yaml").model.model_copy(update={"image_size": 32}), 3)
    save_model(model, tmp_path / "model.keras")
    with zipfile.ZipFile(tmp_path / "model.keras") as archive:
        layers = json.loads(archive.read("config.json"))["config"]["layers"]
    ours = {(layer["module"], layer["class_name"]) for layer in layers if layer["module"].startswith("facesent")}
    assert ours == {
        ("facesent.model.layers", name) for name in ("Convolution3x3", "FusedBatchNormalization", "CalibratedSoftmax")
    }
    assert {layer["registered_name"] for layer in layers if layer["module"].startswith("facesent")} == {
        f"facesent>{name}" for _, name in ours
    }
