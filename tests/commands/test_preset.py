from pathlib import Path

import pytest
from click.testing import CliRunner

from facesent.cli import main
from facesent.presets import presets

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "presets").mkdir()
    (tmp_path / "dvc.yaml").touch()
    for preset in (ROOT / "presets").glob("*.yaml"):
        (tmp_path / "presets" / preset.name).write_bytes(preset.read_bytes())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_preset_becomes_the_settings_whatever_they_were(folder: Path) -> None:
    (folder / "params.yaml").write_text("no: [settings")
    for name in ("reference", "best", "quick"):
        result = CliRunner().invoke(main, ["preset", name])
        assert result.exit_code == 0
        assert (folder / "params.yaml").read_text() == presets(ROOT)[name]


def test_a_preset_with_a_typo_leaves_the_settings(folder: Path) -> None:
    (folder / "params.yaml").write_text("as they were")
    (folder / "presets" / "mine.yaml").write_text("# Mine\ntrain: {epoch: 3}\n")
    result = CliRunner().invoke(main, ["preset", "mine"])
    assert result.exit_code == 1
    assert "train.epoch: Extra inputs are not permitted" in result.output
    assert "Error: presets/mine.yaml over presets/quick.yaml is not valid:" in result.output
    assert ".draft-" not in result.output
    assert (folder / "params.yaml").read_text() == "as they were"


@pytest.mark.usefixtures("folder")
def test_an_unknown_preset_is_refused_with_those_that_there_are() -> None:
    result = CliRunner().invoke(main, ["preset", "best-ever"])
    assert result.exit_code == 1
    assert "quick, reference" in result.output
    assert "Received: best-ever" in result.output


@pytest.mark.usefixtures("folder")
def test_the_presets_are_listed() -> None:
    lines = CliRunner().invoke(main, ["preset"]).output.splitlines()
    assert "reference: the reference recipe at 224x224 for the Kaggle dataset." in lines
    assert all(line.endswith(".") for line in lines)


def test_a_preset_that_cannot_be_read_is_told_and_hinders_no_other(folder: Path) -> None:
    (folder / "presets" / "mine.yaml").write_text("# Mine\ntrain:\n\tepochs: 3\n")
    listed = CliRunner().invoke(main, ["preset"])
    assert (listed.exit_code, "mine: cannot be read; facesent preset mine says why." in listed.output) == (0, True)
    assert CliRunner().invoke(main, ["preset", "quick"]).exit_code == 0
    asked = CliRunner().invoke(main, ["preset", "mine"])
    assert asked.exit_code == 1
    assert "Error: Expected YAML in presets/mine.yaml. Received: " in asked.output
    assert "line 3" in asked.output
