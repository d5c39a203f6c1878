"""Prefect's temporary server: what keeps it from starting is said at once, and it ends with the flow."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from facesent.doctor import prefect_home
from tests.helpers.processes import survivors
from tests.helpers.terminals import interrupt

ROOT = Path(__file__).parents[2]
WAIT = "python -c \"import time; print('started', flush=True); time.sleep(600)\""
FLOW = [sys.executable, "-m", "flows.pipeline"]
FLOW_RUNS = "SELECT state_type FROM flow_run ORDER BY created"
TASK_RUNS = "SELECT state_type FROM task_run ORDER BY created"


def database(project: Path, revision: str) -> Path:
    """One without tables, of a schema of this name."""
    file = project / ".prefect" / "prefect.db"
    file.parent.mkdir(exist_ok=True)
    with closing(sqlite3.connect(file)) as opened:
        opened.execute("CREATE TABLE alembic_version (version_num TEXT)")
        opened.execute("INSERT INTO alembic_version VALUES (?)", [revision])
        opened.commit()
    return file


def newer(project: Path) -> None:
    database(project, "ffffffffffff")


def half(project: Path) -> None:
    file = database(project, "x" * 20000)
    file.write_bytes(file.read_bytes()[:10000])


def no_database(project: Path) -> None:
    file = database(project, "x")
    file.write_text("<html>")


def no_folder(project: Path) -> None:
    (project / ".prefect").touch()


@pytest.fixture
def variables(project: Path) -> dict[str, str]:
    """Of a process that has no server, in a project with one stage that does not end."""
    (project / "dvc.yaml").write_text(f"stages: {{first: {{cmd: {WAIT!r}, outs: [one]}}}}".replace("\\'", "''"))
    (project / "prefect.toml").write_bytes((ROOT / "prefect.toml").read_bytes())
    return {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}


@pytest.mark.parametrize("spoil", [newer, half, no_database, no_folder])
def test_a_database_that_prefect_cannot_use_is_named_with_the_way_out(
    project: Path, spoil: Callable[[Path], None]
) -> None:
    settings = {"PREFECT_HOME": ".prefect", "PREFECT_SERVER_DATABASE_CONNECTION_URL": "sqlite:///.prefect/prefect.db"}
    assert list(prefect_home.troubles(project, settings)) == []
    spoil(project)
    (trouble,) = prefect_home.troubles(project, settings)
    assert str(project / ".prefect") in trouble.what
    assert f"mv {project / '.prefect'} " in trouble.advice


@pytest.mark.parametrize(
    ("given", "right"),
    [
        ("http://127.0.0.1:4200", "http://127.0.0.1:4200/api"),
        ("127.0.0.1:4200/api", "http://127.0.0.1:4200/api"),
        ("https://me:hidden-word@host/prefect/", "https://host/prefect/api"),
    ],
)
def test_an_address_that_cannot_be_right_is_told_in_its_right_form(given: str, right: str) -> None:
    (trouble,) = prefect_home.address_troubles(given)
    assert f"PREFECT_API_URL={right}," in trouble.advice
    assert "hidden-word" not in str(trouble)
    assert list(prefect_home.address_troubles(right)) == []
    assert list(prefect_home.address_troubles("https://api.prefect.cloud/api/accounts/1/workspaces/2")) == []


def refused(variables: dict[str, str], project: Path) -> str:
    done = subprocess.run(FLOW, cwd=project, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.mark.slow
def test_a_flow_says_so_too(variables: dict[str, str], project: Path) -> None:
    address = refused(variables | {"PREFECT_API_URL": "http://127.0.0.1:4200"}, project)
    assert "Set it: export PREFECT_API_URL=http://127.0.0.1:4200/api" in address
    profile = refused(variables | {"PREFECT_PROFILE": "mine"}, project)
    assert "PREFECT_PROFILE: expected a profile in .prefect/profiles.toml. Received: mine" in profile
    newer(project)
    assert "of a newer Prefect" in refused(variables, project)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["PREFECT_LOGGING_LEVEL", "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS"])
def test_a_setting_that_prefect_does_not_take_is_one_line(variables: dict[str, str], project: Path, name: str) -> None:
    said = refused(variables | {name: "LOUD"}, project)
    assert said.startswith(f"Error: {name}: expected ")
    assert said.endswith(f"Received: LOUD. Correct it, or unset it: unset {name}\n")
    assert said.count("\n") == 1


@pytest.mark.slow
def test_profiles_that_prefect_cannot_read_are_one_line(variables: dict[str, str], project: Path) -> None:
    (project / ".prefect").mkdir()
    (project / ".prefect" / "profiles.toml").write_text('active = "x\n[prof')
    said = refused(variables, project)
    assert said.startswith("Error: .prefect/profiles.toml: expected ")
    assert said.count("\n") == 1


OF_A_DATABASE = ["PREFECT_SERVER_DATABASE_CONNECTION_URL", "PREFECT_API_DATABASE_CONNECTION_URL"]


@pytest.mark.slow
@pytest.mark.parametrize("name", OF_A_DATABASE)
def test_a_database_in_a_folder_that_is_not_there_is_told_at_once(
    variables: dict[str, str], project: Path, name: str
) -> None:
    said = refused(variables | {name: "sqlite+aiosqlite:////nowhere/x.db"}, project)
    assert f"{name}: expected a file in a folder that is there. Received: /nowhere/x.db." in said
    assert f"mkdir -p /nowhere, or correct it, or unset it: unset {name}" in said
    assert "Waiting for" not in said


@pytest.mark.parametrize("address", ["sqlite+aiosqlite:///:memory:", "sqlite+aiosqlite:///file::memory:?uri=true"])
def test_a_database_without_a_file_needs_no_folder(address: str, project: Path) -> None:
    settings = {"PREFECT_HOME": ".prefect", OF_A_DATABASE[0]: address}
    assert list(prefect_home.troubles(project, settings)) == []


@pytest.mark.slow
@pytest.mark.long
def test_a_named_database_at_which_the_server_ends_is_told_by_its_variable(
    variables: dict[str, str], project: Path
) -> None:
    (project / "broken.db").write_text("<html>")
    name = OF_A_DATABASE[1]
    said = refused(variables | {name: "sqlite+aiosqlite:///broken.db"}, project)
    assert f"{name} has the database sqlite+aiosqlite:///broken.db: correct it, or unset it: unset {name}" in said
    assert "mv .prefect" not in said


@pytest.mark.slow
@pytest.mark.long
def test_a_server_that_dies_at_its_start_is_not_waited_for(variables: dict[str, str], project: Path) -> None:
    first = next(name for name in sorted(prefect_home.known_revisions()) if name[0].isdigit()).split("_")[4]
    database(project, first)
    said = refused(variables, project)
    assert "Expected Prefect's temporary server to start. Received: it ended with status 3" in said
    assert "no such table" in said
    assert "mv .prefect .prefect.old" in said


@pytest.mark.slow
@pytest.mark.parametrize("times", [1, pytest.param(3, marks=pytest.mark.long)])
def test_ctrl_c_on_a_terminal_ends_a_flow_with_all_that_it_started(
    variables: dict[str, str], project: Path, times: int
) -> None:
    ended = interrupt(FLOW, project, variables, "started\r\n", times=times)
    assert ended.status == 130, ended.printed
    assert ended.printed.count("Interrupted. Run it again to go on") == 1
    assert "Traceback" not in ended.printed
    assert ended.seconds < 6, "three where nothing else runs"
    assert len(ended.family) >= 3, "the temporary server, DVC and the stage"
    assert survivors(ended.family) == []


@pytest.mark.slow
def test_ctrl_c_while_it_still_imports_prefect_prints_no_traceback(variables: dict[str, str], project: Path) -> None:
    ended = interrupt([sys.executable, "-X", "importtime", *FLOW[1:]], project, variables, " httpx\r\n")
    assert ended.status == 130, ended.printed
    assert "Interrupted. Run it again to go on." in ended.printed
    assert "Traceback" not in ended.printed


@pytest.mark.slow
def test_a_killed_flow_leaves_neither_stage_nor_server_and_the_next_one_says_that_it_crashed(
    variables: dict[str, str], project: Path
) -> None:
    with subprocess.Popen(
        FLOW, cwd=project, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout
        assert any(line.endswith("started\n") for line in process.stdout)
        family = psutil.Process(process.pid).children(recursive=True)
        process.kill()
    assert len(family) >= 3, "the temporary server, DVC and the stage"
    assert survivors(family) == []
    assert states(project, FLOW_RUNS) == ["RUNNING"]

    (project / "dvc.yaml").write_text("stages: {first: {cmd: 'false'}}")
    assert "Stage first failed" in refused(variables, project)
    assert states(project, FLOW_RUNS) == ["CRASHED", "FAILED"]
    assert "RUNNING" not in states(project, TASK_RUNS)


@pytest.mark.slow
@pytest.mark.long
def test_a_server_that_is_killed_ends_the_flow_at_once_with_a_line(variables: dict[str, str], project: Path) -> None:
    with subprocess.Popen(
        FLOW, cwd=project, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout
        assert any(line.endswith("started\n") for line in process.stdout)
        family = psutil.Process(process.pid).children(recursive=True)
        (server,) = [each for each in family if "prefect.server.api.server:create_app" in each.cmdline()]
        server.kill()
        printed = process.communicate(timeout=30)[0]
    assert process.returncode == 1
    assert "Expected Prefect's temporary server to keep running. Received: it ended with status -9" in printed
    assert "Traceback" not in printed
    assert survivors(family) == []


def states(project: Path, query: str) -> list[str]:
    """Of the runs that the temporary server's database has, in the order of their starts."""
    with closing(sqlite3.connect(project / ".prefect" / "prefect.db")) as opened:
        return [state for (state,) in opened.execute(query)]
