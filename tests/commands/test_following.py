"""What the lines "Next:" name works in the state in which they name it."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from facesent.cli import main
from facesent.core.programs import dvc
from tests.helpers.trained_project import REPOSITORY

FEW = ("--persons", "60", "--image-size", "32")


@pytest.fixture(autouse=True)
def settings(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_API_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    shutil.copy(REPOSITORY / "params.yaml", project)
    shutil.copytree(REPOSITORY / "presets", project / "presets")


def next_after(*arguments: str) -> list[str]:
    """The commands that a command of ours names at its end."""
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    return re.split(r", then |, | or ", result.output.split("Next: ")[-1].strip())


def run(command: str) -> None:
    """In a process of its own, as people would."""
    program, *arguments = command.split()
    assert program == "dvc"
    done = subprocess.run(dvc(*arguments), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.long
def test_images_come_before_stages_and_from_where_there_are_some() -> None:
    assert next_after("data", "status") == ["facesent data draw", "facesent data import DIR"]
    assert next_after("preset", "quick")[0] == "facesent data draw"
    assert next_after("data", "draw", *FEW) == ["dvc repro"]
    assert next_after("preset", "quick") == next_after("data", "status") == ["dvc repro"]
    shutil.rmtree("data")
    checkout, *_ = next_after("data", "status")
    assert checkout == "dvc checkout data.dvc"
    run(checkout)
    assert Path("data/Happy").is_dir()
    assert next_after("data", "draw", "--data", "more", *FEW) == ["facesent data status --data more"]


@pytest.mark.long
@pytest.mark.usefixtures("mlflow_store")
def test_what_is_lacking_comes_first() -> None:
    assert next_after("data", "draw", *FEW) == ["dvc repro"]
    assert next_after("models") == ["dvc repro", "facesent promote"]
    files = ("vggface2_mobilenet", "face_expression", "fer2013_xception")
    assert next_after("preset", "best") == [*(f"facesent weights {name}" for name in files), "dvc repro"]
    Path("weights").mkdir()
    Path("weights/vggface2_mobilenet.weights.h5").touch()
    assert next_after("preset", "best") == [*(f"facesent weights {name}" for name in files[1:]), "dvc repro"]


@pytest.mark.long
def test_without_a_dvc_repository_the_command_makes_one() -> None:
    shutil.copy(REPOSITORY / "dvc.yaml", ".")
    shutil.rmtree(".dvc")
    [command] = next_after("data", "draw", *FEW)
    run(f"{command} --quiet")
    assert Path(".dvc").is_dir()
