from typing import get_args

import numpy as np
import pytest

from facesent.model.architectures.backbones import BACKBONES
from facesent.model.architectures.build import build
from facesent.model.backend import keras
from facesent.model.inference import compile_forward
from facesent.model.settings import Model, Name

# Compiled in seconds each.
DEEP = ("convnext_tiny", "efficientnet_v2_b0", "mobilenet_v3", "resnet50")


def settings(image_size: int, **options: object) -> Model:
    known = {"name": "reference_cnn", "image_size": image_size, "dropout": 0.3, "batch_norm_momentum": 0.9}
    return Model.model_validate({**known, **options})


def images(count: int, side: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 255, (count, side, side, 3), dtype=np.uint8)


def shaken(model: keras.Model) -> keras.Model:
    """With random weights everywhere, so that nothing is hidden by a 0 or a 1."""
    chance = np.random.default_rng(2)
    for variable in model.variables:
        if variable.path.endswith("temperature"):
            variable.assign(20.0)
        elif variable.dtype == "float32":
            variable.assign(np.abs(np.asarray(variable)) + chance.uniform(0.01, 0.1, variable.shape))
    return model


def test_the_reference_network_has_its_parameters_at_six_classes() -> None:
    # And one that is never trained, the temperature.
    assert build(settings(224), 6).count_params() == 27_932_646 + 1


@pytest.mark.parametrize("image_size", [16, 48, 64])
def test_the_parameters_do_not_depend_on_the_image_size(image_size: int) -> None:
    assert build(settings(image_size), 6).count_params() == 27_932_646 + 1


@pytest.mark.parametrize("classes", [2, 5])
def test_the_outputs_are_probabilities(classes: int) -> None:
    probabilities = np.asarray(build(settings(48), classes)(images(3, 48), training=False))
    assert probabilities.shape == (3, classes)
    assert probabilities.sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_one_class_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 2 classes"):
        build(settings(48), 1)


def test_every_name_is_an_architecture() -> None:
    assert set(get_args(Name)) == {"reference_cnn", *BACKBONES}


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.long if name in DEEP else ()) for name in BACKBONES]
)
def test_a_backbone_answers_with_probabilities_also_when_compiled(name: str) -> None:
    model = build(settings(32, name=name), 4)
    probabilities = np.asarray(model(images(2, 32), training=False))
    assert probabilities.sum(axis=1) == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(compile_forward(model)(images(2, 32)), probabilities, atol=1e-5)


FUSED = {
    "name": "mobilenet",
    "last_layer": "conv_pw_3_relu",
    "others": [{"name": "expression_net", "image_size": 24}, {"name": "fer_xception", "image_size": 16}],
}


def test_several_backbones_answer_together() -> None:
    model = build(settings(32, **FUSED), 3)
    answers = np.asarray(model(images(2, 32), training=False))
    np.testing.assert_allclose(compile_forward(model)(images(2, 32)), answers, atol=1e-5)
    features = keras.Model(model.input, model.get_layer("head_features").output)
    for part in ("conv_pw_3", "dense3_conv3", "fer_classes"):
        before = np.asarray(features(images(2, 32), training=False))
        layer = model.get_layer(part)
        layer.set_weights([0 * values for values in layer.get_weights()])
        assert not np.allclose(np.asarray(features(images(2, 32), training=False)), before, rtol=1e-3)


def test_a_smaller_backbone_sees_each_pixel_of_the_image() -> None:
    model = build(settings(40, **FUSED), 3)
    seen = keras.Model(model.input, model.get_layer("shrink_3").output)
    black = np.zeros((1, 40, 40, 3), np.uint8)
    for row, column in np.random.default_rng(0).integers(0, 40, (8, 2)):
        dot = black.copy()
        dot[0, row, column] = 255
        assert np.asarray(seen(dot)).sum() > np.asarray(seen(black)).sum()


def test_in_training_the_head_misses_whole_backbones_of_an_image() -> None:
    model = build(settings(32, **FUSED, drop_path=0.5), 3)
    for layer in model.layers:
        layer.trainable = not isinstance(layer, keras.layers.BatchNormalization)
    seen = keras.Model(model.input, model.get_layer("head_features").output)
    plain, dropped = (np.asarray(seen(images(64, 32), training=training)) for training in (False, True))
    ends = ("head_average", "head_average_2", "head_average_3")
    kept, place = [], 0
    for size in (model.get_layer(name).output.shape[-1] for name in ends):
        own = slice(place, place + size)
        place += size
        # Where it is seen, it is twice as large, so that the mean is the same.
        shares = dropped[:, own].sum(axis=1) / plain[:, own].sum(axis=1)
        assert all(share == pytest.approx(0) or share == pytest.approx(2, rel=1e-4) for share in shares)
        kept.append(shares > 0)
    assert len({tuple(drawn) for drawn in np.stack(kept, axis=1)}) == 8


@pytest.mark.parametrize("names", [("mobilenet", "mobilenet"), ("reference_cnn", "mobilenet")])
def test_two_alike_and_the_reference_network_are_not_put_together(names: tuple[str, str]) -> None:
    with pytest.raises(
        ValueError, match=f"expected different backbones in name and others. Received: {', '.join(names)}"
    ):
        settings(32, name=names[0], others=[{"name": names[1], "image_size": 16}])


@pytest.mark.parametrize("attention", ["squeeze_excitation", "cbam"])
def test_attention_adds_little_and_changes_the_answer(attention: str) -> None:
    plain, attentive = build(settings(16), 3), build(settings(16, attention=attention), 3)
    assert 1 < attentive.count_params() / plain.count_params() < 1.05
    by_name = {variable.path: variable for variable in attentive.variables}
    for variable in plain.variables:
        if variable.path in by_name:
            by_name[variable.path].assign(variable)
    assert not np.allclose(np.asarray(plain(images(2, 16))), np.asarray(attentive(images(2, 16))), atol=1e-7)


@pytest.mark.parametrize("name", ["reference_cnn", "mobilenet"])
def test_flip_averaging_answers_a_mirror_image_alike_and_takes_the_same_weights(name: str) -> None:
    plain = shaken(build(settings(32, name=name), 3))
    averaging = build(settings(32, name=name), 3, flip_average=True)
    for variable, value in zip(averaging.variables, plain.variables, strict=True):
        variable.assign(value)
    photos = images(2, 32)
    mirrored = photos[:, :, ::-1]
    answers = np.asarray(averaging(photos))
    np.testing.assert_allclose(np.asarray(averaging(mirrored)), answers, atol=1e-6)
    logits = keras.Model(plain.inputs, plain.get_layer("head_logits").output)
    mean = (np.asarray(logits(photos)) + np.asarray(logits(mirrored))) / 2
    expected = np.asarray(plain.get_layer("probabilities")(mean))
    np.testing.assert_allclose(answers, expected, atol=1e-5)
