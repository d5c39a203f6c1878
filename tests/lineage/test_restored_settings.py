from pathlib import Path

import pytest
import yaml

from facesent.lineage.compared_settings import restored
from facesent.params import Params, load_params

PRESETS = sorted((Path(__file__).parents[2] / "presets").glob("*.yaml"))


def logged(params: Params) -> dict[str, str]:
    """As MLflow has them."""
    return {key: str(value) for key, value in params.flat().items()}


@pytest.mark.parametrize("committed", PRESETS, ids=lambda path: path.stem)
@pytest.mark.parametrize("run", PRESETS, ids=lambda path: path.stem)
def test_any_settings_come_back_from_a_run_whatever_its_commit_had(committed: Path, run: Path, tmp_path: Path) -> None:
    params = tmp_path / "params.yaml"
    params.write_text(restored(committed.read_text(), logged(load_params(run))))
    for section in ("validate_", "split", "model", "train", "evaluate", "gate", "serve"):
        assert getattr(load_params(params), section) == getattr(load_params(run), section)


def test_a_hash_of_digits_stays_text() -> None:
    text = restored("model: {weights_sha256: ''}", {"model.weights_sha256": "0123456789", "model.new": "0.5"})
    assert yaml.safe_load(text) == {"model": {"weights_sha256": "0123456789", "new": 0.5}}


def test_a_commit_without_settings() -> None:
    assert yaml.safe_load(restored("", {"train.epochs": "3"})) == {"train": {"epochs": 3}}
