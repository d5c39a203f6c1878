"""A store that does not answer costs one line, which says which store, why, and what to do."""

import os
import resource
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import mlflow
import pytest

from facesent.core.paths import Project
from facesent.doctor import reachable
from facesent.registry import forgetting, runs
from facesent.registry.troubles import is_of_store
from tests.helpers.stubs import make_certificate, stub

pytestmark = pytest.mark.slow

BEGIN = "from facesent.cli import main; main(['models'])"
WRITE = """
from facesent.registry.client import prepare
prepare()
from facesent.core.console import run_main
from facesent.registry import runs
run_main(lambda: runs.begin("run", {}))
"""


def said(code: str, *, limit: int | None = None, **variables: str) -> str:
    """The one line on stderr of a process that is refused."""

    def small_files() -> None:
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **variables}, capture_output=True, text=True, check=False,
        preexec_fn=small_files,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    [line] = done.stderr.splitlines()
    assert line.startswith("Error: Expected MLflow's store, ")
    return line


@pytest.fixture
def default(mlflow_store: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The store in the project's folder, which no variable names."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    return mlflow_store


@pytest.mark.long
def test_a_store_that_another_program_holds(default: Path) -> None:
    with closing(sqlite3.connect(default, isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        line = said(BEGIN)
    assert "mlflow.db in this folder" in line
    assert "database is locked. Close the program" in line


def test_a_disk_that_takes_nothing(default: Path) -> None:
    line = said(WRITE, limit=4096)
    assert "Check whether its disk is full" in line
    assert "MLFLOW_TRACKING_URI" not in line


@pytest.mark.long
def test_a_disk_that_fills_while_the_store_is_made_leaves_none(default: Path) -> None:
    default.unlink()
    # Of some 900,000 bytes.
    assert "disk" in said(WRITE, limit=300_000)
    assert not default.exists()
    assert subprocess.run([sys.executable, "-c", WRITE], check=False).returncode == 0


def test_who_only_looks_makes_no_store(default: Path) -> None:
    default.unlink()
    assert forgetting.trained_on(lambda rows: rows["content"] == "") == forgetting.Affected((), ())
    assert not default.exists()


def test_no_database(default: Path) -> None:
    default.write_text("<html>" * 1000)
    assert "file is not a database. Restore a backup" in said(BEGIN)


@pytest.mark.parametrize(("revision", "advice"), [
    ("0584bdc529eb", "cp mlflow.db mlflow.db.bak && mlflow db upgrade sqlite:///mlflow.db"),
    ("ffffffffffff", "It was written by a newer MLflow than "),
])  # fmt: skip
def test_a_database_of_another_mlflow(default: Path, revision: str, advice: str) -> None:
    with closing(sqlite3.connect(default)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))
    assert advice in said(BEGIN)


@pytest.mark.long
def test_a_deleted_experiment_comes_back_by_the_command_that_is_named(default: Path) -> None:
    runs.begin("run", {})
    mlflow.MlflowClient().delete_experiment("1")
    line = said(WRITE)
    [registry] = [found for found in reachable.findings(Project()) if found.subject == "registry"]
    assert registry.state == "problem"
    command = line.rpartition("Restore it: ")[2]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(["sh", "-c", command], check=True, env={**os.environ, "PATH": path})
    runs.begin("run", {})


def test_a_server_that_is_away_is_the_one_that_the_variable_names(mlflow_store: Path) -> None:
    line = said(BEGIN, MLFLOW_TRACKING_URI="http://127.0.0.1:9", MLFLOW_HTTP_REQUEST_MAX_RETRIES="0")
    assert "http://127.0.0.1:9 (MLFLOW_TRACKING_URI)" in line
    assert "Received: connection: Failed to establish a new connection: [Errno 111] Connection refused. " in line
    assert "Start the server that MLFLOW_TRACKING_URI names" in line


@pytest.mark.parametrize(("status", "advice"), [
    (404, "a web page with error code 404, which is not an answer from MLflow. Set MLFLOW_TRACKING_URI to the address"),
    pytest.param(200, "a web page, which is not an answer from MLflow. Set MLFLOW_TRACKING", marks=pytest.mark.long),
])  # fmt: skip
def test_a_page_that_is_not_mlflow(mlflow_store: Path, status: int, advice: str) -> None:
    with stub(status, "<!DOCTYPE HTML>\n<html>hello</html>") as address:
        line = said(BEGIN, MLFLOW_TRACKING_URI=address, MLFLOW_HTTP_REQUEST_MAX_RETRIES="0")
    assert advice in line
    assert "<" not in line


def test_a_certificate_that_nobody_trusts(mlflow_store: Path) -> None:
    with stub(200, "OK", files=make_certificate(mlflow_store.parent)) as address:
        line = said(BEGIN, MLFLOW_TRACKING_URI=address, MLFLOW_HTTP_REQUEST_MAX_RETRIES="0")
    assert "Received: connection: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed" in line
    assert "Set MLFLOW_TRACKING_SERVER_CERT_PATH to the file" in line
    assert "Start the server" not in line


@pytest.mark.parametrize(
    ("said", "of_store"),
    [
        ("API request to http://127.0.0.1:9/x failed with exception HTTPConnectionPool", True),
        ("[Errno 28] No space left on device: '/tmp/x'", True),
        ("(sqlite3.OperationalError) database is locked", True),
        ("(sqlite3.OperationalError) database or disk is full", True),
        ("An error occurred (AccessDenied) when calling the GetObject operation: Access Denied", True),
        ("File not found: filepath=/models/model.keras", False),
        ("Unable to synchronously open file (file signature not found)", False),
        ("weights or labels in /models that differ from those registered", False),
    ],
)
def test_what_is_said_of_a_store_is_told_from_what_is_said_of_a_model(said: str, of_store: bool) -> None:
    assert is_of_store(said) is of_store
