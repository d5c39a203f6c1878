"""The package as ``pip install .`` installs it, beside no checkout."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.helpers.trained_project import REPOSITORY, make_project


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)],
        cwd=REPOSITORY, check=True, capture_output=True,
    )  # fmt: skip
    [built] = folder.glob("*.whl")
    return built


def test_the_wheel_holds_one_package_with_presets_and_types(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"facesent"}
    presets = {f"facesent/_presets/{file.name}" for file in (REPOSITORY / "presets").glob("*.yaml")}
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "facesent"],
        cwd=REPOSITORY, check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert names >= {*presets, "facesent/py.typed", *listed.stdout.split()}


@pytest.fixture(scope="session")
def bin_folder(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment with the wheel, and the locked packages of the running one."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    command = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "install", "--quiet"]
    subprocess.run([*command, "--no-deps", "--no-index", "--disable-pip-version-check", str(wheel)], check=True)
    [packages] = folder.glob("lib/python*/site-packages")
    # Of a folder that is named so, the files *.pth are not read: its own facesent is not found.
    [locked] = {
        path for path in map(Path, sys.path) if path.name == "site-packages" and path.is_relative_to(sys.prefix)
    }
    (packages / "locked.pth").write_text(f"{locked}\n")
    return folder / "bin"


def run(program: Path, *arguments: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    unset = ("PYTHONPATH", "VIRTUAL_ENV")
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    path = f"{program.parent}{os.pathsep}{environment['PATH']}"
    return subprocess.run(
        [program, *arguments],
        cwd=folder,
        env={**environment, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_what_is_installed_works_beside_no_checkout(bin_folder: Path, tmp_path: Path, home: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    facesent, python = bin_folder / "facesent", bin_folder / "python"
    origin = run(python, "-c", "import facesent; print(facesent.__file__)", folder=empty).stdout
    assert Path(origin).is_relative_to(bin_folder.parent)
    assert "No module named 'flows'" in run(python, "-m", "flows.pipeline", folder=empty).stderr
    assert "facesent predict PHOTO" in run(facesent, "--help", folder=empty).stdout
    assert "Run it in the project's root folder" in run(facesent, "preset", folder=empty).stderr
    assert "Expected a project's folder" in run(facesent, "doctor", folder=empty).stdout
    asked = run(python, "-c", "from facesent import load_champion; load_champion()", folder=empty)
    assert "Run it in the project's root folder" in asked.stderr
    assert list(empty.iterdir()) == []
    (empty / ".dvc").mkdir()
    assert "reference: the reference recipe" in run(facesent, "preset", folder=empty).stdout
    assert run(facesent, "preset", "reference", folder=empty).returncode == 0
    assert "image_size: 224" in (empty / "params.yaml").read_text()


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.usefixtures("mlflow_store")
def test_a_project_without_the_code_has_its_champion_answer(bin_folder: Path, project: Path) -> None:
    from facesent.promotion import register
    from facesent.registry import versions

    versions.set_alias(versions.CHAMPION, register.register(make_project(project)).version)
    (project / "dvc.yaml").write_bytes((REPOSITORY / "dvc.yaml").read_bytes())
    facesent, python = bin_folder / "facesent", bin_folder / "python"
    photo = "data/Light/29.png"
    said = json.loads(run(facesent, "predict", "--json", photo, folder=project).stdout)
    assert (said["label"], said["version"]) == ("Light", 1)
    code = f"from facesent import predict; print(predict({photo!r})[0].confidence)"
    assert float(run(python, "-c", code, folder=project).stdout) == said["confidence"]
    assert "no facesent/ and no flows/ in this folder" in run(facesent, "doctor", folder=project).stdout
