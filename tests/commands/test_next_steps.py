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


@pytest.mark.slow
def test_in_a_clone_the_images_come_from_the_shared_cache_or_the_remote(project: Path) -> None:
    # Where the others have the images: DVC says which folder that is.
    settings = "[core]\n    remote = store\n['remote \"store\"']\n    url = ../../store\n"
    Path(".dvc/config").write_text(f"{settings}[cache]\n    dir = ../../shared\n")
    for label in ("Happy", "Sad"):
        (Path("data") / label).mkdir(parents=True)
        Path("data", label, "1.png").write_text(label)
    for command in ("dvc add data", "dvc push"):
        run(command)
    shutil.rmtree("data")
    shutil.copy(REPOSITORY / "dvc.yaml", ".")

    ways = ["dvc checkout data.dvc", "facesent data import DIR"]
    assert (
        next_after("data", "status") == next_after("preset", "quick")[:2] == next_after("data", "resplit")[:2] == ways
    )
    # As after a pull that was interrupted.
    next(path for path in Path("../shared/files/md5").glob("*/*") if path.read_bytes() == b"Sad").unlink()
    ways[0] = "dvc pull data.dvc"
    assert next_after("data", "status") == next_after("preset", "quick")[:2] == ways
    run(ways[0])
    assert Path("data/Sad/1.png").read_text() == "Sad"


def test_settings_of_dvc_that_cannot_be_read_are_one_line(project: Path) -> None:
    Path("data.dvc").write_text("outs:\n- {path: data, md5: 0123456789abcdef0123456789abcdef.dir, hash: md5}\n")
    Path(".dvc/config").write_text("[core\n")
    result = CliRunner().invoke(main, ["data", "status"])
    assert result.exit_code == 1
    assert result.output.splitlines()[-1].startswith("Error: .dvc/config: expected settings of DVC. Received: ")
