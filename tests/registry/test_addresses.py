"""A project's folder that is moved or copied takes its tracking store along."""

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from facesent.core.errors import TrackingError
from facesent.core.paths import Project
from facesent.registry import runs, versions
from facesent.registry.addresses import make_relative, sqlite_file
from facesent.serving.server import served
from tests.helpers.trained_project import make_project

RUN = """
import sys
from facesent.registry import runs
from facesent.registry.client import prepare
prepare()
run_id = runs.begin("run", {})
runs.log_bytes(run_id, "notes/seen.txt", b"new")
print(run_id, runs.read_text(sys.argv[1], "notes/seen.txt"))
"""


@pytest.fixture
def old(project: Path, empty_mlflow_database: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose store is MLflow's own, by its default address."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    shutil.copy(empty_mlflow_database, project / "mlflow.db")
    return project


def addresses(folder: Path) -> set[str]:
    with closing(sqlite3.connect(folder / "mlflow.db")) as database:
        return {
            address
            for column in ("artifact_location FROM experiments WHERE name = 'facesent'", "artifact_uri FROM runs")
            for (address,) in database.execute(f"SELECT {column}")
        }


def make_absolute(folder: Path, root: Path) -> None:
    """Write what MLflow itself would have written in ``root``."""
    with closing(sqlite3.connect(folder / "mlflow.db")) as database, database:
        database.create_function("there", 1, lambda address: f"{root}/{address}")
        database.execute("UPDATE experiments SET artifact_location = there(artifact_location) WHERE name = 'facesent'")
        database.execute("UPDATE runs SET artifact_uri = there(artifact_uri)")


def run_in(folder: Path, earlier: str) -> tuple[str, str, str]:
    """A new run, the text of an earlier one, and what was said."""
    done = subprocess.run(
        [sys.executable, "-c", RUN, earlier], cwd=folder, capture_output=True, text=True, check=True,
        env={**os.environ, "MLFLOW_TRACKING_URI": "sqlite:///mlflow.db"},
    )  # fmt: skip
    run_id, text = done.stdout.split()
    return run_id, text, done.stderr


def first_run(folder: Path) -> str:
    run_id = runs.begin("first", {})
    runs.log_bytes(run_id, "notes/seen.txt", b"first")
    assert addresses(folder) == {"mlruns/1", f"mlruns/1/{run_id}/artifacts"}
    return run_id


def files(folder: Path) -> set[Path]:
    return set((folder / "mlruns").rglob("*"))


@pytest.mark.parametrize(
    ("go", "absolute"),
    [
        pytest.param("moved", True, id="moved, as MLflow wrote it"),
        pytest.param("copied", False, id="copied, as written now", marks=pytest.mark.long),
        pytest.param("moved", False, id="moved, as written now", marks=pytest.mark.long),
        pytest.param("copied", True, id="copied, as MLflow wrote it", marks=pytest.mark.long),
    ],
)
def test_a_folder_takes_its_store_along(old: Path, tmp_path: Path, go: str, absolute: bool) -> None:
    earlier = first_run(old)
    if absolute:
        make_absolute(old, old)
    new = tmp_path / "a ü#1 100%" / "b"
    new.parent.mkdir()
    if go == "moved":
        shutil.move(old, new)
        os.chdir(new)
    else:
        shutil.copytree(old, new)
    before = files(old)
    run_id, text, said = run_in(new, earlier)
    assert text == "first"
    assert (new / "mlruns" / "1" / run_id / "artifacts" / "notes" / "seen.txt").read_text() == "new"
    assert files(old) == before
    assert (f"mlflow.db was made in {old}" in said) == absolute
    assert run_in(new, run_id)[1:] == ("new", "")


@pytest.mark.long
def test_a_database_copied_alone_finds_the_old_files_and_writes_none_there(old: Path, tmp_path: Path) -> None:
    earlier = first_run(old)
    make_absolute(old, old)
    new = tmp_path / "clone"
    new.mkdir()
    shutil.copy(old / "mlflow.db", new)
    before = files(old)
    run_id, text, _ = run_in(new, earlier)
    assert (text, files(old)) == ("first", before)
    assert (new / "mlruns" / "1" / run_id).is_dir()


def test_files_kept_elsewhere_on_purpose_stay_there(old: Path, tmp_path: Path) -> None:
    first_run(old)
    (tmp_path / "disk" / "mlruns" / "1").mkdir(parents=True)
    shutil.rmtree(old / "mlruns")
    make_absolute(old, tmp_path / "disk")
    make_relative()
    assert f"{tmp_path}/disk/mlruns/1" in addresses(old)


def test_a_store_is_used_from_its_own_folder_alone(old: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first_run(old)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{old}/mlflow.db")
    with pytest.raises(TrackingError, match=f"Expected to run in {old}"):
        runs.begin("run", {})
    assert not (tmp_path / "mlruns").exists()


@pytest.mark.long
def test_two_at_once_find_one_store(old: Path) -> None:
    earlier = first_run(old)
    make_absolute(old, Path("/nowhere"))
    command = [sys.executable, "-c", RUN, earlier]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    made = {process.communicate()[0].split()[0] for process in both}
    assert addresses(old) == {"mlruns/1", *(f"mlruns/1/{run_id}/artifacts" for run_id in (earlier, *made))}


def test_options_of_the_driver_are_no_part_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert sqlite_file("sqlite:///mlflow.db?timeout=60") == Path("mlflow.db")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db?timeout=60")
    assert versions.all_versions() == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mlflow.db", "mlflow.db.lock"]


@pytest.mark.slow
@pytest.mark.long
def test_a_moved_champion_is_served(old: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from facesent.promotion import register

    versions.set_alias(versions.CHAMPION, register.register(make_project(old)).version)
    new = tmp_path / "a b"
    shutil.move(old, new)
    monkeypatch.chdir(new)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{new}/mlflow.db")
    with served("models:/facesent@champion") as server:
        assert server.memory()
    assert not register.register(Project()).created
