import shlex
from pathlib import Path

import pytest

from facesent.experiments.sweep_results import dvc_command
from facesent.params import load_params
from facesent.presets import write_values
from facesent.section import ParamsError

PARAMS = Path(__file__).parents[2] / "params.yaml"


def test_only_the_values_change(tmp_path: Path) -> None:
    path = tmp_path / "best.yaml"
    write_values(PARAMS, {"train.optimizer.learning_rate": 1e-05, "train.batch_size": 16}, path)
    before, after = PARAMS.read_text().splitlines(), path.read_text().splitlines()
    changed = [new.split() for old, new in zip(before, after, strict=True) if old != new]
    assert [line[0] for line in changed] == ["batch_size:", "learning_rate:"]
    settings = load_params(path)
    assert (settings.train.optimizer.learning_rate, settings.train.batch_size) == (1e-05, 16)


def test_a_key_that_the_file_leaves_to_its_default_is_added(tmp_path: Path) -> None:
    short, path = tmp_path / "params.yaml", tmp_path / "best.yaml"
    text = PARAMS.read_text()
    start, end = text.index("  loss:\n"), text.index("  augment:\n")
    short.write_text(text[:start] + text[end:])
    write_values(short, {"train.loss.label_smoothing": 0.1}, path)
    assert load_params(path).train.loss.label_smoothing == 0.1


def test_settings_that_are_not_valid_are_not_written(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="dropout"):
        write_values(PARAMS, {"model.dropout": 2.0}, tmp_path / "best.yaml")
    assert list(tmp_path.iterdir()) == []


def test_the_command_survives_a_shell() -> None:
    values = {"train.optimizer.learning_rate": 0.0003, "train.augment.flip": True, "model.weights": "my weights.h5"}
    assert shlex.split(dvc_command(values)) == [
        *("dvc", "exp", "run"),
        *("-S", "train.optimizer.learning_rate=0.0003", "-S", "train.augment.flip=true"),
        *("-S", "model.weights=my weights.h5"),
    ]
