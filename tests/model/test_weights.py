import hashlib
from pathlib import Path

import numpy as np
import pytest

from facesent.model.architectures.backbones import untrained
from facesent.model.architectures.build import build
from facesent.model.backend import keras
from facesent.model.settings import Model
from facesent.model.weights import WeightsError, freeze, load_pretrained, weights_sha256


def settings(weights: str, **options: object) -> Model:
    known = {"name": "mobilenet_v2", "image_size": 32, "dropout": 0.3, "batch_norm_momentum": 0.9, "weights": weights}
    file = Path(weights)
    digest = hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else "0" * 64
    return Model.model_validate({**known, **({"weights_sha256": digest} if "." in weights else {}), **options})


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A file as Keras saves a backbone: with statistics that no fresh network has."""
    backbone = untrained(settings("none"))
    for layer in normalisations(backbone):
        layer.moving_mean.assign(np.full(layer.moving_mean.shape, 0.25))
    path = tmp_path / "mobilenet_v2.weights.h5"
    backbone.save_weights(path)
    return path


def test_the_backbone_of_a_file_is_taken_over(weights: Path) -> None:
    model = build(settings(str(weights)), 3)
    head = np.array(model.get_layer("head_logits").kernel)
    load_pretrained(model, settings(str(weights)))
    means = [layer.moving_mean for layer in normalisations(model)]
    assert means
    assert all(np.allclose(np.asarray(mean), 0.25) for mean in means)
    assert np.array_equal(np.asarray(model.get_layer("head_logits").kernel), head)


def test_a_pretrained_network_learns_its_head_first_and_never_its_normalisation(weights: Path) -> None:
    model = build(settings(str(weights)), 3)
    freeze(model, settings(str(weights)), head_only=True)
    assert {variable.path for variable in model.trainable_variables} == {"head_logits/kernel", "head_logits/bias"}
    freeze(model, settings(str(weights)), head_only=False)
    assert not any("gamma" in variable.path for variable in model.trainable_variables)
    assert len(model.trainable_variables) > 50
    before = [np.array(variable) for variable in model.non_trainable_variables if "moving" in variable.path]
    model(np.zeros((2, 32, 32, 3), np.uint8), training=True)
    after = [np.asarray(variable) for variable in model.non_trainable_variables if "moving" in variable.path]
    assert all(map(np.array_equal, before, after))


@pytest.mark.parametrize("pretrained", ["mobilenet_v2", "mobilenet"])
def test_of_two_backbones_the_pretrained_one_keeps_its_normalisation(pretrained: str) -> None:
    trunks = [{"name": name, "image_size": 32, "weights": "none"} for name in ("mobilenet_v2", "mobilenet")]
    for trunk in trunks:
        if trunk["name"] == pretrained:
            trunk |= {"weights": "a.weights.h5", "weights_sha256": "0" * 64}
    both = Model.model_validate({**trunks[0], "dropout": 0.3, "batch_norm_momentum": 0.9, "others": trunks[1:]})
    model = build(both, 3)
    freeze(model, both, head_only=False)
    learning = {layer.name for layer in normalisations(model) if layer.trainable}
    for trunk in both.trunks:
        own = {layer.name for layer in normalisations(untrained(trunk))}
        assert own & learning == (set() if trunk.name == pretrained else own)


def normalisations(model: keras.Model) -> list[keras.layers.Layer]:
    return [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]


def test_each_backbone_has_its_file(weights: Path, tmp_path: Path) -> None:
    second = untrained(settings("none", name="expression_net", image_size=16))
    second.get_layer("dense0_conv0").bias.assign(np.full(32, 0.5))
    file = tmp_path / "second.weights.h5"
    second.save_weights(file)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    fields = {"name": "expression_net", "image_size": 16, "weights": str(file), "weights_sha256": digest}
    both = settings(str(weights), others=(fields,))
    model = build(both, 3)
    load_pretrained(model, both)
    assert np.allclose(np.asarray(model.get_layer("dense0_conv0").bias), 0.5)
    assert np.allclose(np.asarray(model.get_layer("bn_Conv1").moving_mean), 0.25)
    assert weights_sha256(both) == f"{both.weights_sha256} {digest}"
    file.write_bytes(b"changed")
    with pytest.raises(WeightsError, match=f"SHA-256 {digest}"):
        weights_sha256(both)


def test_from_scratch_everything_learns() -> None:
    model = build(settings("none"), 3)
    freeze(model, settings("none"), head_only=False)
    assert any("gamma" in variable.path for variable in model.trainable_variables)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"Received: .*missing\.weights\.h5, no such file"):
        load_pretrained(build(settings("none"), 3), settings(str(tmp_path / "missing.weights.h5")))


def test_another_networks_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.weights.h5"
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]).save_weights(path)
    with pytest.raises(WeightsError, match="Expected weights of mobilenet_v2 without its classifier"):
        load_pretrained(build(settings("none"), 3), settings(str(path)))


def test_a_file_is_held_against_its_hash(weights: Path) -> None:
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    assert weights_sha256(settings(str(weights), weights_sha256=digest)) == digest
    weights.write_bytes(weights.read_bytes() + b"changed")
    with pytest.raises(WeightsError, match=f"SHA-256 {digest}"):
        weights_sha256(settings(str(weights), weights_sha256=digest))


def test_there_is_nothing_to_hash_without_a_file() -> None:
    assert weights_sha256(settings("none")) is None
    assert weights_sha256(settings("imagenet")) is None


def test_a_file_without_its_hash_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected weights_sha256, as printed by `sha256sum faces\.weights\.h5`"):
        settings("faces.weights.h5", weights_sha256="")
