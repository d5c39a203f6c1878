from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from facesent.model.architectures.build import build
from facesent.model.backend import keras
from facesent.model.inference import compile_forward
from facesent.model.settings import Model


@pytest.fixture(scope="module")
def model() -> Any:
    model = build(Model(name="reference_cnn", image_size=32, dropout=0.5, batch_norm_momentum=0.9), 3)
    rng = np.random.default_rng(7)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([rng.uniform(0.5, 1.5, weight.shape) for weight in layer.get_weights()])
    return model


@pytest.fixture(scope="module")
def images() -> Any:
    return np.random.default_rng(8).integers(0, 256, (9, 32, 32, 3), dtype=np.uint8)


@pytest.mark.parametrize("count", [1, 2, 9])
def test_the_function_answers_what_the_network_answers(model: Any, images: Any, count: int) -> None:
    scores = compile_forward(model)(images[:count])
    assert (scores.dtype, scores.shape) == (np.float32, (count, 3))
    np.testing.assert_allclose(scores, model(images[:count], training=False), atol=1e-5)


def test_an_image_gets_the_same_answer_whatever_batch_it_is_in(model: Any, images: Any) -> None:
    forward = compile_forward(model)
    singly = np.concatenate([forward(images[i : i + 1]) for i in range(len(images))])
    np.testing.assert_allclose(forward(images), singly, atol=1e-5)


def test_threads_may_call_it_at_once(model: Any, images: Any) -> None:
    forward = compile_forward(model)
    expected = forward(images)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda i: forward(images[i % 9 : i % 9 + 1])[0], range(36)))
    np.testing.assert_allclose(answers, np.tile(expected, (4, 1)), atol=1e-5)


def test_a_training_afterwards_does_not_change_it(images: Any) -> None:
    inputs = keras.Input((32, 32, 3), dtype="uint8")
    x = keras.layers.Dense(2, activation="softmax")(keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(inputs)))
    model = keras.Model(inputs, x)
    forward = compile_forward(model)
    before = forward(images)
    model.layers[-1].kernel.assign(model.layers[-1].kernel * 3)
    np.testing.assert_array_equal(forward(images), before)
