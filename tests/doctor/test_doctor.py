import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from shutil import copy

import pytest

from facesent.core.paths import Project
from facesent.core.ports import free_port
from facesent.doctor import configured, installed, prefect_server, reachable
from facesent.doctor.finding import Finding
from facesent.presets import presets, rewritten
from facesent.registry.client import address_troubles
from tests.helpers.stubs import make_certificate, stub

REPOSITORY = Path(__file__).parents[2]


def by_subject(findings: Iterator[Finding]) -> dict[str, Finding]:
    return {finding.subject: finding for finding in findings}


def test_the_environment_that_runs_the_tests_has_what_it_needs() -> None:
    found = by_subject(installed.findings())
    assert found["packages"].state == "ok"


def test_a_package_out_of_its_range_is_named_with_what_was_expected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installed, "requires", lambda name: ["fastapi<0.1", "no-such-package>=1"])
    packages = by_subject(installed.findings())["packages"]
    assert packages.state == "problem"
    assert "fastapi: expected <0.1, received " in packages.what
    assert "no-such-package is not installed" in packages.what


def test_an_empty_project_is_told_how_to_begin(project: Path) -> None:
    copy(REPOSITORY / "params.yaml", project)
    found = by_subject(configured.findings(Project(project)))
    assert found["git"].state == found["params.yaml"].state == "ok"
    assert found["data/"].state == "note"
    assert "facesent data draw" in found["data/"].advice


def test_a_project_without_the_code_is_told_what_needs_it(project: Path) -> None:
    (project / "dvc.yaml").write_text("stages: {}\n")
    (project / "flows").mkdir()
    code = by_subject(configured.findings(Project(project)))["code"]
    assert (code.state, code.what) == ("note", "no facesent/ in this folder")
    assert "python -m flows.pipeline" in code.advice
    (project / "facesent").mkdir()
    assert "code" not in by_subject(configured.findings(Project(project)))


def test_a_wrong_setting_is_a_problem_that_names_the_key(project: Path) -> None:
    (project / "params.yaml").write_text((REPOSITORY / "params.yaml").read_text().replace("dropout:", "drop_out:"))
    settings = by_subject(configured.findings(Project(project)))["params.yaml"]
    assert settings.state == "problem"
    assert "model.drop_out" in settings.what


def test_weights_files_that_are_not_there_are_a_problem(project: Path) -> None:
    (project / "params.yaml").write_text(presets(REPOSITORY)["fast"])
    settings = by_subject(configured.findings(Project(project)))["params.yaml"]
    assert settings.state == "problem"
    assert settings.advice == "facesent weights face_expression, then facesent weights fer2013_xception"


def test_soft_targets_that_are_not_there_are_a_problem(project: Path) -> None:
    named = rewritten(presets(REPOSITORY)["quick"], {
        "train.distillation.soft_targets": "soft_targets.csv", "train.distillation.soft_targets_sha256": "0" * 64,
    })  # fmt: skip
    (project / "params.yaml").write_text(named)
    settings = by_subject(configured.findings(Project(project)))["params.yaml"]
    assert (settings.state, settings.advice) == (
        "problem",
        "git checkout soft_targets.csv, or python -m flows.distillation --apply",
    )
    (project / "soft_targets.csv").touch()
    assert by_subject(configured.findings(Project(project)))["params.yaml"].state == "ok"


@pytest.mark.slow
def test_servers_that_do_not_answer_are_problems_and_show_no_password(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"http://me:hidden-word@127.0.0.1:{free_port()}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    monkeypatch.setenv("PREFECT_API_URL", f"{address}/api")
    found = by_subject(reachable.findings(Project(project)))
    assert found["MLflow"].state == found["Prefect"].state == "problem"
    assert "MLFLOW_TRACKING_URI" in found["MLflow"].advice
    assert "hidden-word" not in str(found)


@pytest.mark.slow
def test_a_server_with_a_certificate_of_ones_own_answers_those_who_know_it(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = make_certificate(project)
    with stub(200, f'"{version("prefect")}"', files=files) as address:
        monkeypatch.setenv("PREFECT_API_URL", f"{address}/api")
        stranger = prefect_server.finding(Project(project))
        monkeypatch.setenv("PREFECT_API_SSL_CERT_FILE", str(files[0]))
        friend = prefect_server.finding(Project(project))
    assert (stranger.state, "SSLError" in stranger.what) == ("problem", True)
    assert "PREFECT_API_SSL_CERT_FILE" in stranger.advice
    assert friend.state == "ok", friend


@pytest.mark.slow
@pytest.mark.parametrize(("status", "body", "what", "advice"), [
    (401, "{}", "it refuses you with status 401", "PREFECT_API_AUTH_STRING"),
    (403, "{}", "it refuses you with status 403", "PREFECT_API_KEY"),
    (200, '"2.20.4"', "expected a server of Prefect 3. Received: 2.20.4", "update that server"),
    (200, "<html>", "something else than Prefect answers", "correct PREFECT_API_URL"),
    (503, "", "status 503", "prefect server start"),
])  # fmt: skip
def test_a_server_of_prefect_that_flows_could_not_use_is_a_problem(
    project: Path, monkeypatch: pytest.MonkeyPatch, status: int, body: str, what: str, advice: str
) -> None:
    with stub(status, body) as address:
        monkeypatch.setenv("PREFECT_API_URL", f"{address}/api")
        found = prefect_server.finding(Project(project))
    assert (found.state, what in found.what, advice in found.advice) == ("problem", True, True), found


def test_a_certificate_of_mlflows_server_that_nobody_trusts_is_told_with_its_variable(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with stub(200, "OK", files=make_certificate(project)) as address:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        found = by_subject(reachable.findings(Project(project)))["MLflow"]
    assert (found.state, "MLFLOW_TRACKING_SERVER_CERT_PATH" in found.advice) == ("problem", True)


def test_a_variable_that_names_certificates_which_are_gone_is_a_problem(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", "/gone.pem")
    assert by_subject(reachable.findings(Project(project)))["AWS_CA_BUNDLE"].state == "problem"


@pytest.mark.parametrize(("address", "advice"), [
    ("127.0.0.1:5000", "http://127.0.0.1:5000"),
    ("./mlruns", "mlflow migrate-filestore --source ./mlruns --target sqlite:///mlflow.db"),
    ("file:///a/store", "mlflow migrate-filestore --source /a/store --target sqlite:///mlflow.db"),
    ("file:///a/my store", "--source '/a/my store' --target"),
    (" http://127.0.0.1:5000", "export MLFLOW_TRACKING_URI=http://127.0.0.1:5000"),
    ("http://127.0.0.1:5000\r", "export MLFLOW_TRACKING_URI=http://127.0.0.1:5000"),
    ("'sqlite:///mlflow.db' ", "export MLFLOW_TRACKING_URI=sqlite:///mlflow.db"),
    ("postgresql+psycopg://me:hidden@h/db ", "Set it again without them"),
    ("  ", "Unset it to use mlflow.db"),
    ("mlflow.db", "export MLFLOW_TRACKING_URI=sqlite:///mlflow.db"),
    ("/a/mlflow.db", "export MLFLOW_TRACKING_URI=sqlite:////a/mlflow.db"),
    ("file:///a/mlflow.db", "export MLFLOW_TRACKING_URI=sqlite:////a/mlflow.db"),
    ("sqlite:mlflow.db", "export MLFLOW_TRACKING_URI=sqlite:///mlflow.db"),
    ("sqlite:/a/mlflow.db", "export MLFLOW_TRACKING_URI=sqlite:////a/mlflow.db"),
    ("sqlite://mlflow.db", "export MLFLOW_TRACKING_URI=sqlite:///mlflow.db"),
    ("SQLITE:///mlflow.db", "export MLFLOW_TRACKING_URI=sqlite:///mlflow.db"),
    ("SQLite:////a/mlflow.db", "export MLFLOW_TRACKING_URI=sqlite:////a/mlflow.db"),
    ("databricks", "Set it to one of these, or unset it"),
    ("databricks://mine", "Set it to one of these, or unset it"),
    ("uc:/x", "Set it to one of these, or unset it"),
    ("s3://bucket/runs", "Set it to one of these, or unset it"),
    ("postgresql://me@host:PORT/db", "Correct it after the host, as in postgresql://USER@HOST:5432/NAME"),
    ("mysql+pymysql://me:hidden@[::1]:PORT/db", "Correct it after the host"),
    ("postgresql+psycopg://me:hidden", "Correct it after the host"),
    ("postgresql+psycopg://me:a@b:hidden@host/db", "@ as %40"),
])  # fmt: skip
def test_an_address_in_a_form_that_names_no_store_is_a_problem_with_the_form_that_was_meant(
    project: Path, monkeypatch: pytest.MonkeyPatch, address: str, advice: str
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    tracking = by_subject(reachable.findings(Project(project)))["MLFLOW_TRACKING_URI"]
    assert (tracking.state, advice in tracking.advice) == ("problem", True), tracking
    assert "\n" not in tracking.what
    assert "hidden" not in tracking.what
    assert "facesent doctor" not in tracking.advice


def test_a_path_to_a_database_is_told_by_what_the_file_is(
    project: Path, mlflow_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow_store.rename("runs of mine")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "runs of mine")
    tracking = by_subject(reachable.findings(Project(project)))["MLFLOW_TRACKING_URI"]
    assert tracking.advice == "Set it: export MLFLOW_TRACKING_URI='sqlite:///runs of mine'"


@pytest.mark.parametrize("address", [
    "sqlite:///mlflow.db", "sqlite:////a/mlflow.db", "sqlite+pysqlite:///mlflow.db", "http://127.0.0.1:5000",
    "https://me:hidden@host/path", "postgresql+psycopg://me@host/db", "postgresql+psycopg://me:a/b@host:5432/db",
    "postgresql+psycopg://me@corp:hidden@[::1]:5432/db?application_name=a@b", "postgresql+psycopg:///db?host=/run",
])  # fmt: skip
def test_an_address_of_a_store_is_no_trouble(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    assert list(address_troubles()) == []


def test_the_doctor_does_not_send_people_to_the_doctor(project: Path, mlflow_store: Path) -> None:
    with closing(sqlite3.connect(mlflow_store)) as connection:
        connection.execute("DROP TABLE model_versions")
    registry = by_subject(reachable.findings(Project(project)))["registry"]
    assert (registry.state, "unexpected state" in registry.what) == ("problem", True), registry
    assert "facesent doctor" not in f"{registry.what} {registry.advice}"


def test_a_registry_without_a_champion_is_a_note(project: Path, mlflow_store: Path) -> None:
    found = by_subject(reachable.findings(Project(project)))
    assert found["MLflow"].state == "ok"
    assert found["registry"].what == "0 versions, no champion"


@pytest.mark.parametrize(("folders", "words"), [
    (["train/Happy", "train/Sad", "test/Happy", "test/Sad"], "160 lie deeper, such as test/Happy/0.jpg"),
    (["dataset/Happy", "dataset/Sad"], "80 lie deeper, such as dataset/Happy/0.jpg"),
    (["Happy", "Sad", "more/Angry"], "Received: more (0). 40 lie deeper"),
    (["Happy", "Sad/few"], "Received: Sad (0)"),
    (["Happy"], "two class folders"),
])  # fmt: skip
def test_folders_that_the_pipeline_would_refuse_are_a_problem(project: Path, folders: list[str], words: str) -> None:
    copy(REPOSITORY / "params.yaml", project)
    for folder in folders:
        place = project / "data" / folder
        place.mkdir(parents=True)
        for number in range(40):
            (place / f"{number}.jpg").touch()
    images = by_subject(configured.findings(Project(project)))["data/"]
    assert images.state == "problem"
    assert words in images.what


def test_a_link_in_the_place_of_the_images_is_told(project: Path, tmp_path: Path) -> None:
    (tmp_path / "faces").mkdir()
    Path("data").symlink_to(tmp_path / "faces")
    images = by_subject(configured.findings(Project()))["data/"]
    assert images.what.startswith(f"a link to {tmp_path / 'faces'}")
    assert f"rm data && facesent data import {tmp_path / 'faces'} --link" in images.advice


def test_a_table_of_people_that_the_pipeline_would_refuse_is_a_problem(project: Path) -> None:
    copy(REPOSITORY / "params.yaml", project)
    for label in ("Happy", "Sad"):
        (project / "data" / label).mkdir(parents=True)
        for number in range(40):
            (project / "data" / label / f"{number}.jpg").touch()
    assert by_subject(configured.findings(Project(project)))["data/"].state == "note"
    (project / "data" / "metadata.csv").write_text("person,file\n1,Happy/1.jpg\n")
    images = by_subject(configured.findings(Project(project)))["data/"]
    assert (images.state, "a column file_name" in images.what) == ("problem", True)


@pytest.fixture
def prefect_project(project: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose user has a profile of another one in the home."""
    for name in [name for name in os.environ if name.startswith("PREFECT_")]:
        monkeypatch.delenv(name)
    copy(REPOSITORY / "prefect.toml", project)
    (home / ".prefect").mkdir()
    profile = 'PREFECT_API_URL = "https://api.prefect.cloud/api/accounts/1/workspaces/2"'
    (home / ".prefect" / "profiles.toml").write_text(f'active = "mine"\n[profiles.mine]\n{profile}\n')
    return project


@pytest.mark.slow
def test_profiles_in_the_home_are_not_the_projects(prefect_project: Path, tmp_path: Path) -> None:
    assert prefect_server.finding(Project(prefect_project)).what.startswith("PREFECT_API_URL is not set")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PREFECT_HOME", str(tmp_path / "home" / ".prefect"))
        assert prefect_server.finding(Project(prefect_project)).what.startswith("PREFECT_API_URL is not set")
    address = f"http://127.0.0.1:{free_port()}/api"
    command = [sys.executable, "-m", "prefect", "config", "set", f"PREFECT_API_URL={address}"]
    subprocess.run(command, cwd=prefect_project, check=True, capture_output=True)
    assert (prefect_project / ".prefect" / "profiles.toml").is_file()
    found = prefect_server.finding(Project(prefect_project))
    assert (found.state, address in found.what) == ("problem", True)
    assert "or remove PREFECT_API_URL from where `prefect config view` finds it" in found.advice


@pytest.mark.slow
def test_an_address_in_dotenv_is_asked_as_flows_would(prefect_project: Path) -> None:
    (prefect_project / ".env").write_text("PREFECT_API_URL=http://127.0.0.1:4200\n")
    found = prefect_server.finding(Project(prefect_project))
    assert (found.subject, found.state) == ("PREFECT_API_URL", "problem")
    assert not (prefect_project / ".prefect").exists(), "a doctor changes nothing"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "written", "subject", "what"),
    [
        (".env", "PREFECT_API_REQUEST_TIMEOUT=long", "PREFECT_API_REQUEST_TIMEOUT", "a number. Received: long"),
        (".prefect/profiles.toml", 'active = "x', ".prefect/profiles.toml", "Unterminated string"),
        ("prefect.toml", '[logging]\nlevel = "LOUD"', "PREFECT_LOGGING_LEVEL", "'INFO', 'WARNING', 'ERROR'"),
        ("prefect.toml", "[logging", "Prefect", "prefect.toml: invalid TOML"),
    ],
)
def test_a_setting_of_prefects_that_is_wrong_is_a_problem(
    prefect_project: Path, file: str, written: str, subject: str, what: str
) -> None:
    (prefect_project / ".prefect").mkdir()
    with (prefect_project / file).open("a") as opened:
        opened.write(f"\n{written}")
    found = prefect_server.finding(Project(prefect_project))
    assert (found.state, found.subject) == ("problem", subject)
    assert what in found.what


@pytest.mark.slow
def test_a_wrong_setting_of_prefects_is_told_by_the_name_that_is_set(
    prefect_project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_DATABASE_TIMEOUT", "long")
    found = prefect_server.finding(Project(prefect_project))
    assert (found.subject, found.advice.endswith(": unset PREFECT_API_DATABASE_TIMEOUT")) == (
        "PREFECT_API_DATABASE_TIMEOUT",
        True,
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", ["PREFECT_SERVER_DATABASE_CONNECTION_URL", "PREFECT_API_DATABASE_CONNECTION_URL"])
def test_a_broken_database_that_is_not_used_is_no_problem(
    prefect_project: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (prefect_project / ".prefect").mkdir()
    (prefect_project / ".prefect" / "prefect.db").write_text("<html>")
    assert prefect_server.finding(Project(prefect_project)).state == "problem"
    monkeypatch.setenv(name, "sqlite+aiosqlite:///elsewhere.db")
    assert prefect_server.finding(Project(prefect_project)).state == "ok"
    monkeypatch.setenv(name, "sqlite+aiosqlite:///nowhere/prefect.db")
    found = prefect_server.finding(Project(prefect_project))
    assert (found.subject, found.state) == (name, "problem")
    assert "mkdir -p " in found.advice
    assert f"unset {name}" in found.advice


def test_a_driver_that_hangs_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\nexec sleep 600\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(installed, "_SECONDS", 0.2)
    gpu = by_subject(installed.findings())["GPU"]
    assert (gpu.state, gpu.what) == ("problem", "nvidia-smi does not answer within 0.2 s")


def test_a_path_without_this_folder_is_told(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONSAFEPATH", "1")
    assert by_subject(configured.findings(Project(project)))["PYTHONSAFEPATH"].state == "note"


@pytest.mark.slow
def test_a_profile_that_the_project_does_not_have_is_a_problem(
    prefect_project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_PROFILE", "mine")
    found = prefect_server.finding(Project(prefect_project))
    assert (found.subject, found.state) == ("PREFECT_PROFILE", "problem")
    (prefect_project / ".prefect").mkdir()
    (prefect_project / ".prefect" / "profiles.toml").write_text('[profiles.mine]\nPREFECT_LOGGING_LEVEL = "INFO"\n')
    assert prefect_server.finding(Project(prefect_project)).state == "ok"
