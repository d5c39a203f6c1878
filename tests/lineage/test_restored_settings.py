from pathlib import Path

import pytest
import yaml

from facesent.lineage.reproduce import restored
from facesent.params import Params, load_params
from facesent.presets import load_preset, presets

ROOT = Path(__file__).parents[2]
PRESETS = presets(ROOT)


def logged(params: Params) -> dict[str, str]:
    """As MLflow has them."""
    return {key: str(value) for key, value in params.flat().items()}


@pytest.mark.parametrize("committed", PRESETS)
@pytest.mark.parametrize("run", PRESETS)
def test_any_settings_come_back_from_a_run_whatever_its_commit_had(committed: str, run: str, tmp_path: Path) -> None:
    params = tmp_path / "params.yaml"
    params.write_text(restored(PRESETS[committed], logged(load_preset(ROOT, run))))
    for section in ("validate_", "split", "model", "train", "evaluate", "gate", "serve"):
        assert getattr(load_params(params), section) == getattr(load_preset(ROOT, run), section)


def test_a_hash_of_digits_stays_text() -> None:
    text = restored("model: {weights_sha256: ''}", {"model.weights_sha256": "0123456789", "model.new": "0.5"})
    assert yaml.safe_load(text) == {"model": {"weights_sha256": "0123456789", "new": 0.5}}


def test_a_commit_without_settings() -> None:
    assert yaml.safe_load(restored("", {"train.epochs": "3"})) == {"train": {"epochs": 3}}
