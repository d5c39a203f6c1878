from pathlib import Path

import pytest
from click.testing import CliRunner

from facesent.cli import main

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "presets").mkdir()
    for preset in (ROOT / "presets").glob("*.yaml"):
        (tmp_path / "presets" / preset.name).write_bytes(preset.read_bytes())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_preset_becomes_the_settings(folder: Path) -> None:
    result = CliRunner().invoke(main, ["preset", "reference"])
    assert result.exit_code == 0
    assert (folder / "params.yaml").read_bytes() == (ROOT / "presets" / "reference.yaml").read_bytes()


@pytest.mark.usefixtures("folder")
def test_an_unknown_preset_is_refused_with_those_that_there_are() -> None:
    result = CliRunner().invoke(main, ["preset", "best-ever"])
    assert result.exit_code == 1
    assert "quick, reference" in result.output
    assert "Received: best-ever" in result.output


@pytest.mark.usefixtures("folder")
def test_the_presets_are_listed() -> None:
    assert "reference: " in CliRunner().invoke(main, ["preset"]).output
