import subprocess
from pathlib import Path

import pytest

from facesent.lineage import FLOW_RUN_VARIABLE, data_md5, lineage_tags, preset_of, run_name
from facesent.params import load_params
from facesent.project import Project

ROOT = Path(__file__).parents[1]


@pytest.fixture
def settings(project: Path) -> Project:
    (project / "presets").mkdir()
    for name in ("params.yaml", "presets/quick.yaml", "presets/reference.yaml"):
        (project / name).write_bytes((ROOT / name).read_bytes())
    (project / "params.yaml").write_bytes((ROOT / "presets" / "quick.yaml").read_bytes())
    return Project(project)


def change(settings: Project, old: str, new: str) -> None:
    text = settings.params.read_text()
    assert old in text
    settings.params.write_text(text.replace(old, new))


def test_the_settings_of_a_preset_bear_its_name(settings: Project) -> None:
    assert preset_of(settings) == "quick"
    settings.params.write_bytes((settings.root / "presets" / "reference.yaml").read_bytes())
    assert preset_of(settings) == "reference"


def test_a_small_change_is_named_beside_the_nearest_preset(settings: Project) -> None:
    change(settings, "image_size: 64", "image_size: 96")
    assert preset_of(settings) == "quick model.image_size=96"
    assert run_name(settings, load_params(settings.params)) == "quick model.image_size=96 reference_cnn 96px"


def test_many_changes_are_custom(settings: Project) -> None:
    for old in ("val: 0.1", "test: 0.1", "dropout: 0.1", "min_gain: 0.0"):
        change(settings, old, old.replace("0.1", "0.15").replace("0.0", "0.1"))
    assert preset_of(settings) == "custom"


def test_the_tags_lead_back_to_commit_data_and_flow(settings: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FLOW_RUN_VARIABLE, "a-flow-run")
    settings.data_pointer.write_text("outs:\n- md5: 0123.dir\n  path: data\n")
    tags = lineage_tags(settings)
    head = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    assert tags == {
        "preset": "quick",
        "data_md5": "0123.dir",
        "flow_run": "a-flow-run",
        "git_commit": head,
        "git_dirty": "false",
    }


def test_a_changed_file_is_dirty(settings: Project) -> None:
    subprocess.run(["git", "add", "--all"], check=True)
    assert lineage_tags(settings)["git_dirty"] == "true"


def test_what_is_not_known_is_left_out(tmp_path: Path, settings: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(FLOW_RUN_VARIABLE, raising=False)
    assert data_md5(settings) is None
    assert "data_md5" not in lineage_tags(settings)
    assert "flow_run" not in lineage_tags(settings)
