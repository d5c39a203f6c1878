import os
import platform
import subprocess
from pathlib import Path

import pytest

from facesent.core.paths import Project
from facesent.params import load_params
from facesent.presets import preset, write_values
from facesent.registry.lineage import FLOW_RUN_VARIABLE, changes, data_md5, lineage_tags, preset_of, run_name

ROOT = Path(__file__).parents[2]


@pytest.fixture
def settings(project: Path) -> Project:
    (project / "presets").mkdir()
    for name in ("params.yaml", "presets/quick.yaml", "presets/reference.yaml"):
        (project / name).write_bytes((ROOT / name).read_bytes())
    (project / "params.yaml").write_bytes((ROOT / "presets" / "quick.yaml").read_bytes())
    return Project(project)


def git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True).stdout.strip()


def commit_all() -> None:
    git("add", "--all")
    git("commit", "--quiet", "--message", "Settings")


def change(settings: Project, old: str, new: str) -> None:
    text = settings.params.read_text()
    assert old in text
    settings.params.write_text(text.replace(old, new))


def test_the_settings_of_a_preset_bear_its_name(settings: Project) -> None:
    assert preset_of(settings, load_params(settings.params)) == "quick"
    settings.params.write_text(preset(settings.root, "reference"))
    assert preset_of(settings, load_params(settings.params)) == "reference"


def test_a_small_change_is_named_beside_the_nearest_preset(settings: Project) -> None:
    change(settings, "image_size: 64", "image_size: 96")
    assert preset_of(settings, load_params(settings.params)) == "quick model.image_size=96"
    assert run_name(settings, load_params(settings.params)) == "quick model.image_size=96 reference_cnn 96px"


def test_a_file_is_named_without_its_hash(settings: Project) -> None:
    digest = "0" * 64
    values = {"train.distillation.soft_targets": "soft_targets.csv", "train.distillation.soft_targets_sha256": digest}
    write_values(settings.params, values, settings.params)
    named = preset_of(settings, load_params(settings.params))
    assert named == "quick train.distillation.soft_targets=soft_targets.csv"


def test_many_changes_are_custom(settings: Project) -> None:
    for old in ("val: 0.1", "test: 0.1", "dropout: 0.1", "min_gain: 0.0"):
        change(settings, old, old.replace("0.1", "0.15").replace("0.0", "0.1"))
    assert preset_of(settings, load_params(settings.params)) == "custom"


def test_the_tags_lead_back_to_commit_data_and_flow(settings: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FLOW_RUN_VARIABLE, "a-flow-run")
    settings.data_pointer.write_text("outs:\n- md5: 0123.dir\n  path: data\n")
    commit_all()
    tags = lineage_tags(settings, load_params(settings.params))
    assert "tensorflow " in tags.pop("packages")
    assert f"{os.cpu_count()} CPUs" in tags.pop("machine")
    tags.pop("backend", None)
    assert tags == {
        "preset": "quick",
        "data_md5": "0123.dir",
        "flow_run": "a-flow-run",
        "git_commit": git("rev-parse", "HEAD"),
        "git_dirty": "false",
        "git_changes": "none",
    }


def test_no_tag_names_the_machine_or_a_path(settings: Project) -> None:
    text = " ".join(lineage_tags(settings, load_params(settings.params)).values())
    assert platform.node() not in text.split()
    assert str(settings.root.absolute()) not in text


def test_a_changed_file_is_dirty(settings: Project) -> None:
    git("add", "--all")
    assert lineage_tags(settings, load_params(settings.params))["git_dirty"] == "true"


def test_what_dvc_writes_is_no_change(settings: Project) -> None:
    Path("dvc.lock").write_text("stages: {}\n")
    commit_all()
    Path("dvc.lock").write_text("stages: {train: {}}\n")
    tags = lineage_tags(settings, load_params(settings.params))
    assert (tags["git_dirty"], tags["git_changes"]) == ("true", "none")
    assert changes(settings) == b""


def test_the_patch_makes_the_files_of_the_commit_those_of_the_training(settings: Project) -> None:
    code = Path("facesent/model.py")
    code.parent.mkdir()
    code.write_bytes(b"x = 1\r\n# caf\xe9\n")
    commit_all()
    changed = b"x = 2\r\n# caf\xe9\n"
    code.write_bytes(changed)
    # A person's settings must not change what is recorded.
    for setting in ("color.ui=always", "diff.noprefix=true", "diff.external=false"):
        git("config", *setting.split("="))
    patch = changes(settings)
    assert lineage_tags(settings, load_params(settings.params))["git_changes"] == "facesent/model.py"
    git("checkout", "--quiet", ".")
    subprocess.run(["git", "apply"], input=patch, check=True)
    assert code.read_bytes() == changed


def test_the_patch_holds_nothing_but_code(settings: Project) -> None:
    for name in (".env", "facesent.txt", "notes.md"):
        Path(name).write_text("empty\n")
    commit_all()
    for name in (".env", "facesent.txt", "notes.md"):
        Path(name).write_text("KAGGLE_KEY=hunter2\n")
    settings.params.write_text(settings.params.read_text() + "# https://hooks.example.org/hunter2\n")
    git("add", "--all")
    Path("facesent").mkdir()
    Path("facesent/new.py").write_text("PASSWORD = 'hunter2'\n")
    assert changes(settings) == b""
    assert lineage_tags(settings, load_params(settings.params))["git_untracked"] == "facesent/new.py"


def test_a_project_in_a_folder_of_its_repository(settings: Project, tmp_path: Path) -> None:
    inner = settings.root / "inner"
    inner.mkdir()
    for name in ("params.yaml", "presets"):
        (settings.root / name).rename(inner / name)
    (inner / "dvc.yaml").write_text("stages: {}\n")
    commit_all()
    (inner / "dvc.yaml").write_text("stages: {train: {cmd: 'true'}}\n")
    moved = Project(inner)
    assert lineage_tags(moved, load_params(moved.params))["git_changes"] == "inner/dvc.yaml"
    assert b"+++ b/inner/dvc.yaml" in changes(moved)


def test_what_is_not_known_is_left_out(tmp_path: Path, settings: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(FLOW_RUN_VARIABLE, raising=False)
    assert data_md5(settings) is None
    assert "data_md5" not in lineage_tags(settings, load_params(settings.params))
    assert "flow_run" not in lineage_tags(settings, load_params(settings.params))


def test_presets_that_cannot_be_read_leave_the_others_and_the_name(settings: Project) -> None:
    (settings.presets / "mine.yaml").write_text("train:\n\tepochs: 3\n")
    (settings.presets / ".#quick.yaml").symlink_to("someone@host.123")
    assert preset_of(settings, load_params(settings.params)) == "quick"
    (settings.presets / "quick.yaml").write_text("train: [\n")
    assert preset_of(settings, load_params(settings.params)) == "custom"
