"""Small networks of every layer of ours, in every format, asked by that format's runtime."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facesent.model.architectures.build import build
from facesent.model.backend import keras
from facesent.model.layers import (
    CalibratedSoftmax,
    ChannelStatistics,
    Convolution3x3,
    FusedBatchNormalization,
    ImageNetScaling,
    MeanOfSides,
    WithMirrorImages,
)
from facesent.model.settings import Model, Trunk
from facesent.prediction.classifier import Classifier
from facesent.serving.export.check import Written, refusal, write
from facesent.serving.export.formats import FORMATS
from facesent.serving.export.network import serving_module

LABELS = ["a", "b", "c"]


def every_layer() -> Any:
    """Each of ours, on a map that is convolved as one and on one that is convolved as a matrix product."""
    images = keras.Input((16, 16, 3), dtype="uint8", name="image")
    x = ImageNetScaling("caffe", dtype="float32")(WithMirrorImages(dtype="uint8")(images))
    for filters in (4, 8, 8):
        x = FusedBatchNormalization()(Convolution3x3(filters)(x))
        x = keras.layers.Multiply()([x, keras.layers.Conv2D(1, 3, padding="same")(ChannelStatistics()(x))])
        x = keras.layers.MaxPooling2D()(x)
    # One that follows no convolution stays as it is.
    x = FusedBatchNormalization()(Convolution3x3(8, activation="relu")(x))
    logits = keras.layers.Dense(len(LABELS))(keras.layers.GlobalAveragePooling2D()(x))
    return keras.Model(images, CalibratedSoftmax()(MeanOfSides()(logits)))


def reference() -> Any:
    return build(Model(name="reference_cnn", image_size=16, dropout=0.5, batch_norm_momentum=0.9), len(LABELS))


def of_preset_best() -> Any:
    settings = Model(
        name="mobilenet", image_size=32, scaling="caffe", last_layer="conv_pw_11_relu", dropout=0.3,
        batch_norm_momentum=0.9,
    )  # fmt: skip
    return build(settings, len(LABELS), flip_average=True)


def of_three_backbones() -> Any:
    settings = Model(
        name="mobilenet", image_size=32, scaling="caffe", last_layer="conv_pw_3_relu", dropout=0.3,
        batch_norm_momentum=0.9, drop_path=0.1,
        others=(Trunk(name="expression_net", image_size=24), Trunk(name="fer_xception", image_size=16)),
    )  # fmt: skip
    return build(settings, len(LABELS), flip_average=True)


def with_numbers(model: Any, seed: int = 7) -> Any:
    """Statistics and a temperature as a training leaves them; fresh ones would hide a layer that is skipped."""
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        if "temperature" in variable.path:
            variable.assign(1.7)
        elif variable.path.endswith(("variance", "gamma")):
            variable.assign(rng.uniform(0.5, 1.5, variable.shape))
        elif variable.path.endswith(("mean", "beta")):
            variable.assign(rng.normal(0, 0.3, variable.shape))
    return model


def photos(model: Any, count: int = 5) -> Any:
    return np.random.default_rng(8).integers(0, 256, (count, *model.input_shape[1:]), dtype=np.uint8)


def written(model: Any, name: str, folder: Path) -> Written:
    images = photos(model)
    expected = Classifier(model, LABELS).probabilities(images)
    assert expected.std() > 1e-3, "the same answer for everything would prove nothing"
    return write(FORMATS[name], serving_module(model), images, expected, folder)


@pytest.mark.slow
@pytest.mark.parametrize(
    "make",
    [
        pytest.param(every_layer, marks=pytest.mark.long),
        reference,
        pytest.param(of_preset_best, marks=pytest.mark.long),
        pytest.param(of_three_backbones, marks=pytest.mark.long),
    ],
)
@pytest.mark.parametrize("name", list(FORMATS))
def test_every_format_answers_what_our_network_answers(make: Any, name: str, tmp_path: Path) -> None:
    model = with_numbers(make())
    result = written(model, name, tmp_path)
    assert refusal(result.parity) is None
    assert result.parity.images == 5
    # Any number of images, and every image by itself.
    ask = FORMATS[name].load(result.path)
    images = photos(model)
    together = ask(images[:3])
    assert (together.shape, together.dtype) == ((3, len(LABELS)), np.float32)
    np.testing.assert_allclose(np.concatenate([ask(images[i : i + 1]) for i in range(3)]), together, atol=1e-5)


# TensorFlow and tf2onnx number and order what they make in a process: a SavedModel's bytes repeat in another process
# only, an ONNX file's need not.
@pytest.mark.slow
@pytest.mark.long
def test_the_same_network_gives_the_same_bytes(tmp_path: Path) -> None:
    hashes = {written(with_numbers(every_layer_named()), "litert", tmp_path / part).sha256 for part in "ab"}
    assert len(hashes) == 1


def every_layer_named() -> Any:
    """As a file is loaded: with names and numbers that do not depend on what was built before."""
    keras.utils.clear_session()
    keras.utils.set_random_seed(7)
    return every_layer()


@pytest.mark.slow
def test_no_file_holds_a_pickle(tmp_path: Path) -> None:
    import pickletools

    model = with_numbers(reference())
    for name in FORMATS:
        written(model, name, tmp_path)
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert {file.name for file in files} >= {"saved_model.pb", "model.onnx", "model.tflite"}
    for file in files:
        with pytest.raises(ValueError), file.open("rb") as content:  # noqa: PT011
            list(pickletools.genops(content))


@pytest.mark.slow
def test_an_export_that_answers_otherwise_is_refused(tmp_path: Path) -> None:
    model, other = with_numbers(reference()), with_numbers(reference(), seed=9)
    images = photos(model)
    expected = Classifier(other, LABELS).probabilities(images)
    result = write(FORMATS["savedmodel"], serving_module(model), images, expected, tmp_path)
    assert "Received: a difference of" in str(refusal(result.parity))
