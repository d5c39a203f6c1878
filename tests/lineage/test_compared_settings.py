from pathlib import Path

import yaml

from facesent.lineage.compared_settings import Change, nearest_preset
from facesent.params import load_params

ROOT = Path(__file__).parents[2]
PRESETS = {path.stem: yaml.safe_load(path.read_text()) for path in sorted((ROOT / "presets").glob("*.yaml"))}


def settings_of(preset: str) -> dict[str, str]:
    """As MLflow has them."""
    return {key: str(value) for key, value in load_params(ROOT / "presets" / f"{preset}.yaml").flat().items()}


def test_the_settings_of_a_preset_differ_in_nothing() -> None:
    for preset in PRESETS:
        nearest = nearest_preset(settings_of(preset), PRESETS)
        assert nearest
        assert (nearest.preset, nearest.changes) == (preset, ())


def test_what_differs_is_named_with_both_values() -> None:
    run = settings_of("quick") | {"train.epochs": "3", "model.dropout": "0.10", "train.seed": "7.0"}
    nearest = nearest_preset(run, PRESETS)
    assert nearest
    assert (nearest.preset, nearest.changes) == ("quick", (Change("train.epochs", "30", "3"),))


def test_a_preset_of_another_release_is_compared_by_its_text() -> None:
    nearest = nearest_preset({"train.epochs": "3", "train.new": "1"}, {"old": {"train": {"epochs": 3, "gone": True}}})
    assert nearest
    assert nearest.changes == (Change("train.gone", "True", None), Change("train.new", None, "1"))


def test_nothing_to_compare_with() -> None:
    assert nearest_preset({"train.epochs": "3"}, {}) is None
    assert nearest_preset({}, PRESETS) is None
