import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import yaml

from facesent.core.errors import DataError
from facesent.core.paths import Project
from facesent.stages.validate import ValidationError, validate

pytestmark = pytest.mark.slow

MakeProject = Callable[..., Project]


def outputs(project: Project) -> dict[Path, bytes]:
    folder = project.manifest.parent
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_good_images_give_a_manifest_a_summary_and_pages_the_same_each_time(
    make_project: MakeProject, capsys: pytest.CaptureFixture[str]
) -> None:
    project = make_project()
    (project.data / "metadata.csv").write_text("file_name,group\nAngry/000.png,007\nAngry/gone.png,1\n")
    (project.data / "stray.jpg").write_bytes(b"")
    (project.data / "Happy" / "phone.HEIC").write_bytes(b"\0\0\0\x18ftypheic")
    for name in (".cover.jpg", "._000.png"):
        (project.data / "Happy" / name).write_bytes(b"")
    validate(project)
    first = outputs(project)
    validate(project)

    assert outputs(project) == first
    assert {Path("manifest.parquet"), Path("summary.json"), Path("summary.md"), Path("data_docs/index.html")} <= set(
        first
    )
    manifest = pd.read_parquet(project.manifest)
    assert len(manifest) == 48
    assert manifest.loc[0, "group"] == "007"
    summary = json.loads(first[Path("summary.json")])
    assert summary["passed"]
    assert summary["classes"]["Angry"] == {"files": 24, "usable": 24}
    assert len(summary["notes"]) == 4
    shown = capsys.readouterr().out
    assert "Angry" in shown
    assert "such as Angry/gone.png" in shown
    assert "such as stray.jpg" in shown
    assert "such as Happy/phone.HEIC, which is HEIC." in shown
    assert "1 image in the class folders is ignored, as the name begins with a dot: Happy/.cover.jpg." in shown


def test_a_failed_expectation_is_an_error_after_all_is_written(make_project: MakeProject) -> None:
    project = make_project()
    for index in range(5):
        (project.data / "Happy" / f"{index:03d}.png").write_bytes(b"text")
    with pytest.raises(ValidationError) as error:
        validate(project)

    message = str(error.value)
    assert "Few images are quarantined." in message
    assert "validate.max_quarantined = 0.02" in message
    assert "Happy/000.png (not an image" in message
    assert "Each class folder has enough usable images." in message
    summary = json.loads((project.manifest.parent / "summary.json").read_text())
    assert not summary["passed"]
    assert len(summary["quarantined"]) == 5
    text = (project.manifest.parent / "summary.md").read_text()
    assert "DO NOT meet" in text
    assert "`Happy/004.png`: not an image" in text


def test_as_a_program_it_ends_with_one_message_and_status_1(make_project: MakeProject) -> None:
    project = make_project(images=3, classes=("Angry", "Happy"))
    command = [sys.executable, "-m", "facesent.run", "validate", "--data", str(project.data)]
    done = subprocess.run(command, cwd=project.root, capture_output=True, text=True)

    assert done.returncode == 1
    assert "validate.min_images_per_class = 20" in done.stderr
    assert "Traceback" not in done.stderr
    assert project.manifest.is_file()


def test_without_data_the_message_says_how_to_get_some(make_project: MakeProject, tmp_path: Path) -> None:
    project = make_project(images=0)
    with pytest.raises(Exception, match="facesent data status"):
        validate(project, tmp_path / "nowhere")


def test_a_class_is_left_out_as_params_say_and_its_copies_are_no_conflict(make_project: MakeProject) -> None:
    project = make_project(images=25)
    (project.data / "Sad").mkdir()
    (project.data / "Sad" / "copy.png").write_bytes((project.data / "Happy" / "000.png").read_bytes())
    change(project, exclude=["Sad"])
    validate(project)
    manifest = pd.read_parquet(project.manifest)
    assert set(manifest["label"]) == {"Angry", "Happy"}
    assert manifest["ok"].all()
    change(project, exclude=["Sda"])
    with pytest.raises(DataError, match=r"Received: Sda"):
        validate(project)


def change(project: Project, **values: object) -> None:
    params = yaml.safe_load(project.params.read_text())
    params["validate"].update(values)
    project.params.write_text(yaml.safe_dump(params))
