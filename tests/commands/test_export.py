"""``facesent export`` against a real registry."""

import json
import re
from dataclasses import replace
from pathlib import Path

import mlflow
import numpy as np
import pytest
from click.testing import CliRunner

from facesent.cli import main
from facesent.promotion import register
from facesent.registry import versions
from facesent.serving.export.check import content_sha256
from facesent.serving.export.formats import FORMATS
from tests.helpers.trained_project import SIDE, make_project

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("mlflow_store")]


def tag(name: str) -> dict[str, object]:
    [version] = versions.all_versions()
    parsed: dict[str, object] = json.loads(version.tags[f"export.{name}"])
    return parsed


@pytest.mark.long
def test_all_formats_are_compared_attached_and_usable(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register.register(make_project(project))
    result = CliRunner().invoke(main, ["export", "challenger", "--to", "given"])
    assert result.exit_code == 0, result.output
    [version] = versions.all_versions()
    attached = Path(mlflow.artifacts.download_artifacts(run_id=version.run_id, artifact_path="export", dst_path="down"))
    for name, entry in FORMATS.items():
        folder = project / "given" / name
        assert {file.name for file in folder.iterdir()} == {entry.file, "labels.json", "README.md"}
        described = tag(name)
        assert described["images"] == 20
        assert float(str(described["largest_difference"])) <= 1e-5
        assert content_sha256(folder / entry.file) == content_sha256(attached / name / entry.file)
        assert described["sha256"] == content_sha256(folder / entry.file)
        assert json.loads((folder / "labels.json").read_text()) == ["Dark", "Light"]
        # What the text beside it tells to do does what the text says.
        monkeypatch.chdir(folder)
        [program] = re.findall(r"```python\n(.*?)```", Path("README.md").read_text(), re.DOTALL)
        said: dict[str, object] = {}
        exec(program, said)  # noqa: S102
        assert np.shape(said["images"]) == (2, SIDE, SIDE, 3)  # type: ignore[arg-type]
        assert np.shape(said["probabilities"]) == (2, 2)  # type: ignore[arg-type]
        monkeypatch.chdir(project)


def test_a_format_that_answers_otherwise_is_not_attached(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register.register(make_project(project))
    onnx = FORMATS["onnx"]
    tilted = replace(onnx, load=lambda path: lambda x: onnx.load(path)(x) + 1e-3)
    absent = replace(FORMATS["litert"], modules=("no_such_module",))
    for entry in (tilted, absent):
        monkeypatch.setitem(FORMATS, entry.name, entry)
    result = CliRunner().invoke(main, ["export", "1", "--to", "given"])
    assert result.exit_code == 1
    assert "onnx: refused. Expected probabilities within 1e-05" in result.output
    assert "no_such_module" in result.output
    assert "pip install -e '.[export]'" in result.output
    [version] = versions.all_versions()
    assert {name for name in version.tags if name.startswith("export.")} == {"export.savedmodel"}
    assert {file.path for file in mlflow.tracking.MlflowClient().list_artifacts(version.run_id, "export")} == {
        "export/savedmodel"
    }
    assert [file.name for file in (project / "given").iterdir()] == ["savedmodel"]


def test_a_version_whose_run_is_gone_is_exported_to_a_folder_alone(project: Path) -> None:
    register.register(make_project(project))
    [version] = versions.all_versions()
    mlflow.MlflowClient().delete_run(version.run_id)
    refused = CliRunner().invoke(main, ["export", "1", "--format", "savedmodel"])
    assert refused.exit_code == 1
    assert "Expected the run of version 1" in refused.output
    assert "--to FOLDER" in refused.output
    result = CliRunner().invoke(main, ["export", "1", "--format", "savedmodel", "--to", "given"])
    assert result.exit_code == 0, result.output
    assert "savedmodel: in given/savedmodel alone, since the run of version 1 is gone" in result.output
    folder = project / "given" / "savedmodel"
    assert {file.name for file in folder.iterdir()} == {FORMATS["savedmodel"].file, "labels.json", "README.md"}
    assert "export.savedmodel" not in versions.get(1).tags


def test_what_mlflow_does_not_take_is_in_the_folder(project: Path) -> None:
    register.register(make_project(project))
    [version] = versions.all_versions()
    exports = Path(mlflow.get_run(version.run_id).info.artifact_uri.removeprefix("file://")) / "export"
    exports.write_text("a file where a folder belongs")
    result = CliRunner().invoke(main, ["export", "1", "--format", "savedmodel", "--to", "given"])
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == 1
    assert (project / "given" / "savedmodel" / "README.md").is_file()
    assert "export.savedmodel" not in versions.get(1).tags


def test_what_is_missing_is_said(project: Path) -> None:
    made = make_project(project)
    register.register(made)
    result = CliRunner().invoke(main, ["export", "champion"])
    assert result.exit_code == 1
    assert "Expected a version of facesent (1 challenger) or an alias of one. Received: champion" in result.output
    made.split("test").unlink()
    result = CliRunner().invoke(main, ["export", "1", "--format", "onnx"])
    assert result.exit_code == 1
    assert "Expected test images" in result.output
