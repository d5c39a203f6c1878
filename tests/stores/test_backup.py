"""A project that is lost comes back from its backup, with its aliases, files and answers."""

import errno
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import mlflow
import pytest
from click.testing import CliRunner, Result

from facesent.cli import main
from facesent.registry import decisions, runs
from facesent.registry.decisions import Aliases
from facesent.stores.backup import _move_away
from tests.helpers import promoters
from tests.helpers.stores import rows_in

pytestmark = pytest.mark.slow

DATABASES = ("mlflow.db", "answers.db")


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    return tmp_path / "backups" / "monday"


def facesent(*arguments: str) -> Result:
    return CliRunner().invoke(main, [*arguments])


def contents(folder: Path, name: str) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in (folder / name).rglob("*") if path.is_file()
    }


def state(folder: Path) -> object:
    """All rows and files."""
    rows = [rows_in(f"sqlite:///{folder / name}") for name in DATABASES]
    return rows, contents(folder, "mlruns"), contents(folder, "answers")


def lose(folder: Path) -> None:
    for name in DATABASES:
        (folder / name).unlink()
    shutil.rmtree(folder / "mlruns")
    shutil.rmtree(folder / "answers")


def test_a_lost_project_comes_back(folder: Path, backup: Path) -> None:
    before = state(folder)
    assert contents(folder, "mlruns")
    assert contents(folder, "answers")
    made = facesent("backup", str(backup))
    assert made.exit_code == 0, made.output
    assert backup.stat().st_mode & 0o777 == 0o700
    assert state(folder) == before == state(backup)
    # It can be read where nothing may be written beside it.
    for name in DATABASES:
        with closing(sqlite3.connect(backup / name)) as database:
            assert database.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    lose(folder)
    restored = facesent("restore", str(backup))
    assert restored.exit_code == 0, restored.output
    assert state(folder) == before
    assert (folder / "answers.db").stat().st_mode & 0o777 == 0o600
    assert not list(folder.glob(".draft-*"))


@pytest.mark.long
def test_it_comes_back_in_another_folder_and_goes_on_there(folder: Path, backup: Path, tmp_path: Path) -> None:
    facesent("backup", str(backup))
    shutil.rmtree(folder)
    clone = tmp_path / "clone"
    clone.mkdir()
    (clone / "dvc.yaml").touch()
    code = """
from tests.helpers import promoters
from facesent.registry import decisions, runs
from facesent.registry.client import prepare
prepare()
import mlflow
promoters.promote(3)
promoters.assert_one_chain()
[parent] = mlflow.search_runs(["1"], "attributes.run_name = '3 folds'", output_format="list")
print(decisions.read().aliases.champion, runs.read_text(parent.info.run_id, "summary.md"))
"""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    clean["PYTHONPATH"] = str(Path(__file__).parents[2])
    for command in (["-m", "facesent.cli", "restore", str(backup)], ["-c", code]):
        done = subprocess.run(
            [sys.executable, *command], cwd=clone, env=clean, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "3 1 ± 0"


def test_what_is_there_is_overwritten_only_when_asked_and_kept_then(folder: Path, backup: Path) -> None:
    before = state(folder)
    facesent("backup", str(backup))
    assert "Name a new folder" in facesent("backup", str(backup)).output
    promoters.promote(3)
    after = state(folder)
    refused = facesent("restore", str(backup))
    assert refused.exit_code == 1
    [line] = refused.output.strip().splitlines()
    assert "To move them away first: --replace" in line
    assert state(folder) == after
    restored = facesent("restore", str(backup), "--replace")
    assert restored.exit_code == 0, restored.output
    assert state(folder) == before
    [away] = folder.glob("before-restore-*")
    assert state(away) == after


def test_databases_of_one_name_are_both_moved_away(tmp_path: Path) -> None:
    for name in ("mlflow", "answers"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "facesent.db").write_text(name)
    away = _move_away(tmp_path, [tmp_path / name / "facesent.db" for name in ("mlflow", "answers")])
    assert {file.read_text() for file in away.iterdir()} == {"mlflow", "answers"}


@pytest.mark.parametrize("spoil", ["change", "remove", "add"])
def test_a_backup_that_is_not_whole_restores_nothing(folder: Path, backup: Path, spoil: str) -> None:
    facesent("backup", str(backup))
    [file] = (backup / "mlruns").rglob("summary.md")
    match spoil:
        case "change":
            file.write_text("2 ± 0")
        case "remove":
            file.unlink()
        case _:
            (backup / "mlruns" / "more").touch()
    before = state(folder)
    lost = facesent("restore", str(backup), "--replace")
    assert lost.exit_code == 1
    assert "as it was written. Received: 1 files" in lost.output
    assert state(folder) == before
    assert "without a readable contents.json" in facesent("restore", str(folder)).output


KILLED = """
import os, sys
from pathlib import Path
from facesent.registry.client import prepare
prepare()
from facesent.stores.addresses import configured
from facesent.stores.backup import back_up
back_up(Path(), configured(), Path(sys.argv[1]), lambda done, total: os.kill(os.getpid(), 9))
"""


def test_a_backup_that_is_killed_is_none(folder: Path, backup: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, str(backup)], check=False)
    assert killed.returncode == -9
    assert not backup.exists()
    assert facesent("backup", str(backup)).exit_code == 0


def test_writers_go_on_while_a_backup_is_made(folder: Path, backup: Path) -> None:
    with closing(sqlite3.connect("answers.db")) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("UPDATE answers SET label = 'Sad'")
        made = facesent("backup", str(backup))
        writer.rollback()
    assert made.exit_code == 0, made.output
    assert state(backup) == state(folder)


def test_a_backup_of_files_is_restored_into_postgresql_and_stays_as_it_was(
    folder: Path, backup: Path, mlflow_in_postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder / 'mlflow.db'}")
    assert facesent("backup", str(backup)).exit_code == 0
    lose(folder)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_in_postgres)
    monkeypatch.setenv("FACESENT_ANSWERS_URI", mlflow_in_postgres)
    written = contents(backup, ".")
    assert facesent("restore", str(backup)).exit_code == 0
    assert contents(backup, ".") == written


def test_postgresql_comes_back_too(
    folder: Path, backup: Path, postgres: str, mlflow_in_postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder / 'mlflow.db'}")
    assert facesent("move-database", postgres).exit_code == 0
    monkeypatch.setenv("MLFLOW_TRACKING_URI", postgres)
    monkeypatch.setenv("FACESENT_ANSWERS_URI", postgres)
    expected = rows_in(postgres)
    made = facesent("backup", str(backup))
    assert made.exit_code == 0, made.output
    lose(folder)
    # Not into one with rows, and as often as one tries.
    for _ in range(2):
        assert "without rows" in facesent("restore", str(backup)).output
    assert not (folder / "mlruns").exists()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_in_postgres)
    monkeypatch.setenv("FACESENT_ANSWERS_URI", mlflow_in_postgres)
    restored = facesent("restore", str(backup))
    assert restored.exit_code == 0, restored.output
    assert rows_in(mlflow_in_postgres) == expected
    assert decisions.read().aliases == Aliases(2, 1)
    [parent] = mlflow.search_runs(["1"], "attributes.run_name = '3 folds'", output_format="list")
    assert runs.read_text(parent.info.run_id, "summary.md") == "1 ± 0"


@pytest.mark.parametrize("command", ["backup", "restore"])
def test_a_disk_that_fills_up_is_a_line_with_what_to_do(
    folder: Path, backup: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = state(folder)
    if command == "restore":
        facesent("backup", str(backup))
        lose(folder)

    def full(source: object, target: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))

    # A limit on sizes would stop SQLite first.
    monkeypatch.setattr(shutil, "copyfile", full)
    refused = facesent(command, str(backup))
    assert refused.exit_code == 1
    [line] = refused.output.strip().splitlines()
    assert line.startswith("Error: No space left on device: ")
    assert line.endswith(". Free disk space, then run it again.")
    assert command == "restore" or (state(folder) == before and not backup.exists())
