"""A command is refused for what it needs itself, and for nothing else."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from facesent.cli import main

UNFIT_FOR_NETWORKS = [("KERAS_BACKEND", "theano"), ("PYTHONWARNINGS", "error")]
CUTS_TRAININGS = ("KERAS_MAX_EPOCHS", "1")


def call(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, catch_exceptions=False)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for name in ("Happy/1.jpg", "Sad/1.jpg"):
        (tmp_path / "photos" / name).parent.mkdir(parents=True)
        (tmp_path / "photos" / name).write_text(name)
    return tmp_path / "photos"


@pytest.mark.parametrize(("variable", "value"), UNFIT_FOR_NETWORKS)
@pytest.mark.parametrize(
    "command",
    [
        "predict ../photos",
        "serve --port 0",
        "export champion",
        "app --no-browser",
        "promote",
        "weights vggface2_mobilenet",
        "weights --version champion",
        "data import ../photos --crop largest",
        "data people",
    ],
)
@pytest.mark.usefixtures("project", "photos")
def test_what_loads_networks_is_refused_where_none_can_be_loaded(
    monkeypatch: pytest.MonkeyPatch, command: str, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    result = call(*command.split())
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: {variable}: expected ")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(("variable", "value"), [*UNFIT_FOR_NETWORKS, CUTS_TRAININGS, ("PYTHONOPTIMIZE", "2")])
@pytest.mark.parametrize("command", ["data status", "data resplit", "weights", "preset"])
@pytest.mark.usefixtures("project")
def test_what_only_looks_needs_no_networks(
    monkeypatch: pytest.MonkeyPatch, command: str, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    assert call(*command.split()).exit_code == 0


@pytest.mark.parametrize(("variable", "value"), [UNFIT_FOR_NETWORKS[0], CUTS_TRAININGS])
@pytest.mark.usefixtures("project")
def test_images_are_imported_without_networks(
    monkeypatch: pytest.MonkeyPatch, photos: Path, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    assert call("data", "import", str(photos)).exit_code == 0


@pytest.mark.usefixtures("project")
def test_a_port_that_is_no_number_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql+psycopg://me@db:PORT/x")
    result = call("models")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: MLFLOW_TRACKING_URI: expected a number as the port of the database.")
    assert result.stderr.count("\n") == 1


@pytest.mark.usefixtures("project")
def test_dvc_writes_nothing_while_warnings_are_errors(monkeypatch: pytest.MonkeyPatch, photos: Path) -> None:
    monkeypatch.setenv("PYTHONWARNINGS", "error")
    assert call("data", "import", str(photos)).stderr.startswith("Error: PYTHONWARNINGS: expected ")


@pytest.mark.slow
@pytest.mark.usefixtures("mlflow_store")
def test_a_prediction_is_not_refused_for_what_cuts_trainings(monkeypatch: pytest.MonkeyPatch, photos: Path) -> None:
    monkeypatch.setenv(*CUTS_TRAININGS)
    assert call("predict", str(photos)).stderr.startswith("Error: Expected a champion")


def test_a_locked_index_hinders_only_what_writes(project: Path, photos: Path) -> None:
    (project / ".git" / "index.lock").touch()
    assert call("data", "status").exit_code == 0
    assert "rm .git/index.lock" in call("data", "import", str(photos)).stderr
