"""A machine that trains and one that serves, with nothing in common but MLflow's server, which asks who is there.

That keeps what it knows, and its users, in PostgreSQL. The machines are folders here, and processes of their own.
"""

import base64
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from sqlalchemy import create_engine, text

from facesent.core.errors import TrackingError
from facesent.core.ports import free_port
from facesent.registry import runs
from tests.helpers.postgres import Cluster
from tests.helpers.serving import serving
from tests.helpers.tracking_server import tracking_server
from tests.helpers.trained_project import REPOSITORY, make_project

pytestmark = [pytest.mark.slow, pytest.mark.long]

ADMIN, TRAINER, SERVER = (("admin", "admin-word-81"), ("trainer", "trainer-word-82"), ("server", "server-word-83"))


@dataclass(frozen=True)
class Team:
    """MLflow's server of a team.

    Attributes:
        address: where it answers.
        database: of its store.
    """

    address: str
    database: str

    def known_as(self, user: str, password: str) -> dict[str, str]:
        """What a machine has in its environment."""
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "FACESENT_"))},
            "MLFLOW_TRACKING_URI": self.address,
            "MLFLOW_TRACKING_USERNAME": user,
            "MLFLOW_TRACKING_PASSWORD": password,
            "PYTHONPATH": str(REPOSITORY),
        }


@pytest.fixture
def team(postgres_cluster: Cluster, tmp_path: Path) -> Iterator[Team]:
    pytest.importorskip("flask_wtf", reason="MLflow's accounts are not installed: pip install -e '.[access]'")
    folder, port = tmp_path / "team", free_port()
    folder.mkdir()
    store, users = postgres_cluster.database(), postgres_cluster.database()
    accounts = folder / "accounts.ini"
    # Without the cache each request costs a third of a second, and a version has hundreds of files.
    accounts.write_text(f"[mlflow]\ndefault_permission = READ\ndatabase_uri = {users}\nauth_cache_ttl_seconds = 60\n")
    variables = {
        "MLFLOW_AUTH_CONFIG_PATH": str(accounts),
        "MLFLOW_AUTH_ADMIN_USERNAME": ADMIN[0],
        "MLFLOW_AUTH_ADMIN_PASSWORD": ADMIN[1],
        "MLFLOW_FLASK_SERVER_SECRET_KEY": "for-this-test",
    }
    address = f"http://127.0.0.1:{port}"
    with tracking_server(folder, port, "--app-name", "basic-auth", store=store, **variables):
        for name, password in (TRAINER, SERVER):
            made = requests.post(
                f"{address}/api/2.0/mlflow/users/create", auth=ADMIN, timeout=60,
                json={"username": name, "password": password},
            )  # fmt: skip
            made.raise_for_status()
        yield Team(address, store)


def facesent(folder: Path, environment: Mapping[str, str], *arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "facesent.cli", *arguments], cwd=folder, env=environment, text=True, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    return done.returncode, done.stdout


@pytest.fixture
def serves(tmp_path: Path) -> Path:
    """The folder of the machine that serves: settings alone."""
    folder = tmp_path / "serves"
    (folder / "presets").mkdir(parents=True)
    for name in ("params.yaml", "dvc.yaml", "presets/quick.yaml"):
        (folder / name).write_bytes((REPOSITORY / name).read_bytes())
    return folder


def test_one_machine_trains_and_promotes_and_the_other_serves(
    team: Team, project: Path, serves: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer, server = team.known_as(*TRAINER), team.known_as(*SERVER)
    for name, value in trainer.items():
        monkeypatch.setenv(name, value)
    made = make_project(project)
    code, printed = facesent(project, trainer, "promote")
    assert code == 0, printed
    assert "Champion: version 1." in printed
    photo = base64.b64encode((made.data / "Light" / "29.png").read_bytes()).decode()
    for path in ("mlflow.db", "artifacts"):
        assert not (project / path).exists()
    engine = create_engine(team.database)
    with engine.connect() as connection:
        stored = connection.scalar(text("SELECT source FROM model_versions WHERE name = 'facesent'"))
        assert stored.startswith("mlflow-artifacts:/")
    engine.dispose()

    with serving(serves, server) as address:

        def ask() -> str:
            answered = requests.post(f"{address}/invocations", json={"inputs": {"image": [photo]}}, timeout=60)
            assert answered.status_code == 200, answered.text
            return str(answered.json()["predictions"][0]["label"])

        assert ask() == "Light"
    assert not (serves / "mlflow.db").exists()
    code, printed = facesent(serves, server, "models")
    assert code == 0, printed
    assert "champion" in printed
    # Of what others made it may read all, and change nothing.
    for name, value in server.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(TrackingError, match="to a user of that server with the necessary rights"):
        runs.begin("not ours", {})


def test_who_is_not_known_is_told_so_in_a_line(team: Team, serves: Path) -> None:
    wrong = team.known_as(SERVER[0], "hidden-word")
    nobody = {name: value for name, value in wrong.items() if name != "MLFLOW_TRACKING_PASSWORD"}
    for environment in (wrong, nobody):
        for command in (["models"], ["serve", "--port", "0"]):
            assert "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD to a user" in refused(
                serves, environment, *command
            )


def refused(folder: Path, environment: Mapping[str, str], *arguments: str) -> str:
    """The line of a command that MLflow's server does not let do its work."""
    code, printed = facesent(folder, environment, *arguments)
    assert code == 1, printed
    assert "hidden-word" not in printed
    [line] = printed.splitlines()
    return line
