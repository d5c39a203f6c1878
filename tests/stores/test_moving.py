"""MLflow's store and the log of answers, moved to PostgreSQL and back."""

import shlex
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import mlflow
import pytest
from click.testing import CliRunner, Result
from mlflow.tracking import MlflowClient
from sqlalchemy import create_engine, text

from facesent.cli import main
from facesent.core.errors import FacesentError
from facesent.core.ports import free_port
from facesent.registry import decisions, runs
from facesent.registry.decisions import Aliases
from facesent.serving.answers.corrections import accept, waiting
from facesent.serving.gateway.answers.store import Store
from facesent.stores import rows
from facesent.stores.addresses import at, configured
from facesent.stores.copying import copy
from tests.helpers import promoters
from tests.helpers.postgres import Cluster, running_cluster
from tests.helpers.stores import rows_in
from tests.helpers.tracking_server import tracking_server

pytestmark = pytest.mark.slow


def move(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["move-database", *arguments])


def ignored(done: int, total: int) -> None:
    """Progress that nobody looks at."""


def test_everything_goes_on_in_postgresql(folder: Path, postgres: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {name: (folder / name).read_bytes() for name in ("mlflow.db", "answers.db")}
    # A person writes it without the driver.
    moved = move(postgres.replace("+psycopg", ""))
    assert moved.exit_code == 0, moved.output
    assert f"export MLFLOW_TRACKING_URI={postgres}" in moved.output
    assert {name: (folder / name).read_bytes() for name in before} == before
    expected = rows_in("sqlite:///mlflow.db") | rows_in("sqlite:///answers.db")
    assert rows_in(postgres) == expected
    assert len(expected["metrics"]) > 2500
    assert len(expected["answers"]) == 3

    for file in before:
        (folder / file).unlink()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", postgres)
    monkeypatch.setenv("FACESENT_ANSWERS_URI", postgres)
    listed = CliRunner().invoke(main, ["models"])
    assert listed.exit_code == 0, listed.output
    assert "champion" in listed.output
    promoters.promote(3)
    assert decisions.read().aliases == Aliases(3, 2)
    promoters.assert_one_chain()
    [parent] = mlflow.search_runs(["1"], "attributes.run_name = '3 folds'", output_format="list")
    assert len(runs.finished_children(parent.info.run_id)) == 3
    assert len(MlflowClient().get_metric_history(parent.info.run_id, "loss")) == 2500
    assert runs.read_text(parent.info.run_id, "summary.md") == "1 ± 0"
    runs.finish(runs.begin("new", {"train.epochs": 1}))
    # Numbers go on where they were.
    assert int(mlflow.create_experiment("another")) == 2
    log = Store(postgres)
    [found] = waiting(log)
    assert (found.label, found.note, found.answered) == ("Sad", "weint", "Happy")
    assert len(accept(log, None)) == 1
    log.close()


@pytest.mark.long
def test_it_comes_back_to_sqlite_as_it_was(folder: Path, postgres: str, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = rows_in("sqlite:///mlflow.db") | rows_in("sqlite:///answers.db")
    copy(configured(), at(postgres), ignored)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", postgres)
    monkeypatch.setenv("FACESENT_ANSWERS_URI", postgres)
    back = folder / "back"
    back.mkdir()
    moved = move("sqlite:///back/mlflow.db")
    assert moved.exit_code == 0, moved.output
    assert sorted(path.name for path in back.iterdir()) == ["answers.db", "mlflow.db"]
    assert rows_in("sqlite:///back/mlflow.db") | rows_in("sqlite:///back/answers.db") == expected
    for name in ("mlflow.db", "answers.db"):
        with closing(sqlite3.connect(back / name)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    assert (back / "answers.db").stat().st_mode & 0o777 == 0o600
    again = move("sqlite:///back/mlflow.db")
    assert "mlflow.db yet. Received: one" in again.output


@pytest.mark.long
def test_files_are_found_behind_a_server(
    folder: Path, postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = move(postgres, "--artifacts", "mlflow-artifacts:/")
    assert moved.exit_code == 0, moved.output
    server, port = tmp_path / "server", free_port()
    server.mkdir()
    (folder / "mlruns").rename(server / "artifacts")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
    with tracking_server(server, port, store=postgres):
        [parent] = mlflow.search_runs(["1"], "attributes.run_name = '3 folds'", output_format="list")
        assert parent.info.artifact_uri == f"mlflow-artifacts:/1/{parent.info.run_id}/artifacts"
        assert mlflow.get_experiment("1").artifact_location == "mlflow-artifacts:/1"
        assert runs.read_text(parent.info.run_id, "summary.md") == "1 ± 0"


def test_the_next_step_can_be_pasted_into_a_shell(folder: Path) -> None:
    (folder / "new & shared").mkdir()
    moved = move("sqlite:///new & shared/mlflow.db")
    assert moved.exit_code == 0, moved.output
    [*_, line] = moved.output.strip().splitlines()
    assert shlex.split(line.partition("export ")[2]) == [
        "MLFLOW_TRACKING_URI=sqlite:///new & shared/mlflow.db",
        "FACESENT_ANSWERS_URI=sqlite:///new & shared/answers.db",
    ]


def test_files_behind_a_server_are_asked_of_the_server(folder: Path) -> None:
    (folder / "new").mkdir()
    moved = move("sqlite:///new/mlflow.db", "--artifacts", "mlflow-artifacts:/")
    assert moved.exit_code == 0, moved.output
    [*_, server, clients] = moved.output.strip().splitlines()
    assert server.endswith("mlflow server --artifacts-destination ./mlruns --backend-store-uri sqlite:///new/mlflow.db")
    assert shlex.split(clients.partition("export ")[2]) == [
        "MLFLOW_TRACKING_URI=http://HOST:5000",
        "FACESENT_ANSWERS_URI=sqlite:///new/answers.db",
    ]


def test_a_database_that_mlflow_has_only_opened_is_empty(
    folder: Path, postgres_cluster: Cluster, empty_mlflow_in_postgres: str
) -> None:
    opened = postgres_cluster.database(empty_mlflow_in_postgres)
    moved = move(opened)
    assert moved.exit_code == 0, moved.output
    assert rows_in(opened)["runs"] == rows_in("sqlite:///mlflow.db")["runs"]


def test_what_is_there_already_is_not_mixed_with(folder: Path, postgres: str) -> None:
    assert move(postgres).exit_code == 0
    before = rows_in(postgres)
    again = move(postgres)
    assert again.exit_code == 1
    [line] = again.output.strip().splitlines()
    assert "without rows. Received: some in " in line
    assert rows_in(postgres) == before


def test_a_log_that_is_there_already_stays(folder: Path, postgres: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACESENT_ANSWERS_URI", postgres)
    fill_answers_in = Store(postgres)
    fill_answers_in.close()
    moved = move(postgres)
    assert moved.exit_code == 0, moved.output
    assert "log of answers" not in moved.output
    assert "mlflow.db → " in moved.output


KILLED = """
import os, sys
from facesent.registry.client import prepare
prepare()
from facesent.stores.addresses import at, configured
from facesent.stores.copying import copy
def progress(done, total):
    if done > total * float(sys.argv[2]):
        os.kill(os.getpid(), 9)
copy(configured(), at(sys.argv[1]), progress)
"""


@pytest.mark.long
@pytest.mark.parametrize("share", [0.1, 0.99])
def test_a_move_that_is_killed_leaves_both_as_they_were(folder: Path, postgres: str, share: float) -> None:
    before = rows_in("sqlite:///mlflow.db") | rows_in("sqlite:///answers.db")
    for target in (postgres, "sqlite:///back/mlflow.db"):
        killed = subprocess.run([sys.executable, "-c", KILLED, target, str(share)], check=False)
        assert killed.returncode == -9
    assert rows_in("sqlite:///mlflow.db") | rows_in("sqlite:///answers.db") == before
    assert not list((folder / "back").glob("*.db"))
    for target in (postgres, "sqlite:///back/mlflow.db"):
        moved = move(target)
        assert moved.exit_code == 0, moved.output
    assert rows_in(postgres) == before


def test_a_row_that_does_not_fit_moves_nothing(folder: Path, postgres: str) -> None:
    with closing(sqlite3.connect("mlflow.db")) as connection, connection:
        # SQLite takes a text of any length, and with a zero byte.
        connection.execute("UPDATE params SET value = 'a' || char(0) || 'b' WHERE key = 'fold'")
    moved = move(postgres)
    assert moved.exit_code == 1
    [line] = moved.output.strip().splitlines()
    assert line.startswith("Error: Expected each row of params to be taken. Received: ")
    assert line.endswith("Nothing was copied.")
    engine = create_engine(postgres)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM runs")) == 0
    engine.dispose()


def test_rows_that_are_missing_in_the_end_move_nothing(
    folder: Path, postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "_batches", lambda *_: iter(()))
    with pytest.raises(FacesentError, match=r"Expected \d+ rows in \w+. Received: 0. Nothing was copied."):
        copy(configured(), at(postgres), ignored)


@pytest.mark.parametrize(("revision", "advice"), [
    ("0584bdc529eb", "mlflow.db.bak && mlflow db upgrade sqlite:///"),
    ("ffffffffffff", "It was written by a newer MLflow than "),
])  # fmt: skip
def test_tables_of_another_mlflow_are_refused(folder: Path, postgres: str, revision: str, advice: str) -> None:
    with closing(sqlite3.connect("mlflow.db")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))
    moved = move(postgres)
    assert moved.exit_code == 1
    assert advice in moved.output


@pytest.mark.parametrize(("target", "said"), [
    ("postgresql://facesent:hidden-word@127.0.0.1:9/x", "://facesent@127.0.0.1:9/x to answer. Rec"),
    ("mysql://me:hidden-word@host/x", "Expected an address such as postgresql://user@host/database or "),
    ("here", "Received: here"),
])  # fmt: skip
def test_a_target_that_is_none_costs_a_line(folder: Path, target: str, said: str) -> None:
    moved = move(target)
    assert moved.exit_code == 1
    [line] = moved.output.strip().splitlines()
    assert said in line
    assert "hidden-word" not in line


def test_what_is_behind_a_server_is_moved_where_that_runs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert "a server. Run it where that server runs" in move("sqlite:///x/mlflow.db").output


@pytest.mark.long
def test_passwords_databases_and_users_that_are_wrong_cost_a_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_cluster("a word") as cluster:
        right = cluster.database()
        monkeypatch.delenv("FACESENT_ANSWERS_URI", raising=False)
        wrong = right.replace("a%20word", "hidden-word")
        bare = right.replace(":a%20word", "")
        for address in (wrong, bare):
            [line] = move(address).output.strip().splitlines()
            assert "password" in line
            assert "hidden-word" not in line
        monkeypatch.setenv("PGPASSWORD", "a word")
        assert "does not exist" in move(bare + "_not").output
        moved = move(bare)
        assert moved.exit_code == 0, moved.output
        monkeypatch.setenv("MLFLOW_TRACKING_URI", bare)
        assert CliRunner().invoke(main, ["models"]).exit_code == 0
        for address, advice in ((wrong, "PGPASSWORD or ~/.pgpass"), (bare + "_not", "Make it, with rights to create")):
            monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
            said = CliRunner().invoke(main, ["models"])
            assert said.exit_code == 1
            [line] = said.output.strip().splitlines()
            assert advice in line
            assert "hidden-word" not in line
