"""Each command line of ours in compose.yaml starts as it stands there, and passes its health check.

In place of containers there are folders, in place of PostgreSQL there is SQLite, and in place of S3 a folder.
"""

from pathlib import Path

import pytest
import requests
import yaml
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

from facesent.core.ports import free_port
from facesent.promotion import register
from facesent.registry import versions
from tests.helpers.containers import ROOT, Container, secret, stages
from tests.helpers.trained_project import make_project

pytestmark = [pytest.mark.slow, pytest.mark.long]


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """The folder of all containers."""
    folder = tmp_path / "machine"
    (folder / "tmp").mkdir(parents=True)
    return folder


def test_mlflow_and_the_server(machine: Path, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("flask_wtf", reason="the extra access is not installed")
    mlflow_port, port = str(free_port()), str(free_port())
    tracking = f"http://127.0.0.1:{mlflow_port}"
    mlflow = Container("mlflow", machine / "mlflow", {
        "5000": mlflow_port,
        f"postgresql+psycopg://mlflow:{secret('MLFLOW_DB_PASSWORD')}@postgres/": f"sqlite:///{machine}/database-",
        "s3://facesent/mlflow": str(machine / "artifacts"),
    })  # fmt: skip
    answers = f"postgresql+psycopg://answers:{secret('ANSWERS_DB_PASSWORD')}@postgres/answers"
    server = Container("server", machine / "server", {
        "http://mlflow:5000": tracking, "8000": port, answers: f"sqlite:///{machine}/answers.db",
    })  # fmt: skip
    server.folder.mkdir()
    for name in stages()["server"].copied:
        (server.folder / name).write_bytes((ROOT / name).read_bytes())
    with mlflow.running():
        assert (machine / "database-accounts").is_file()
        assert requests.get(f"{tracking}/api/2.0/mlflow/experiments/get?experiment_id=0", timeout=60).status_code == 401
        # As a page of elsewhere that got this address by DNS.
        assert requests.get(tracking, headers={"Host": "elsewhere.example"}, timeout=60).status_code == 403
        for name, value in server.environment().items():
            if name.startswith("MLFLOW_"):
                monkeypatch.setenv(name, value)
        versions.set_alias(versions.CHAMPION, register.register(make_project(project)).version)
        with server.running():
            address = f"http://127.0.0.1:{port}"
            assert requests.get(f"{address}/health", timeout=60).json()["version"] == 1
            assert requests.post(f"{address}/invocations", json={}, timeout=60).status_code == 401
            for token, status in (("FACESENT_TOKEN_OPERATE", 200), ("FACESENT_TOKEN", 401)):
                shown = {"Authorization": f"Bearer {secret(token)}"}
                assert requests.get(f"{address}/metrics", headers=shown, timeout=60).status_code == status


def test_prefect_the_project_and_a_worker(machine: Path) -> None:
    port, health = str(free_port()), str(free_port())
    user = {"prefect:4200": f"127.0.0.1:{port}", "/repository": str(ROOT)}
    server = Container("prefect", machine / "prefect", {
        "4200": port,
        f"postgresql+asyncpg://prefect:{secret('PREFECT_DB_PASSWORD')}@postgres/prefect":
            f"sqlite+aiosqlite:///{machine}/prefect.db",
    })  # fmt: skip
    folder = machine / "project"
    project, worker = Container("project", folder, user), Container("worker", folder, {**user, "8080": health})
    with server.running():
        project.run()
        assert (folder / "answers").is_dir()
        project.run()
        settings = {
            PREFECT_API_URL: f"http://127.0.0.1:{port}/api",
            PREFECT_API_AUTH_STRING: f"facesent:{secret('PREFECT_PASSWORD')}",
        }
        with temporary_settings(settings), get_client(sync_client=True) as client:
            deployed = {deployment.name for deployment in client.read_deployments()}
            named = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
            assert deployed == {deployment["name"] for deployment in named}
            with worker.running():
                assert [pool.name for pool in client.read_work_pools()] == ["facesent"]


def test_the_bucket(machine: Path) -> None:
    pytest.importorskip("s3fs", reason="the extra s3 is not installed")
    moto = pytest.importorskip("moto.server", reason="moto is not installed")
    storage = moto.ThreadedMotoServer("127.0.0.1", 0)
    storage.start()
    try:
        _, port = storage.get_host_and_port()
        bucket = Container("bucket", machine / "bucket", {"s3:7070": f"127.0.0.1:{port}"})
        bucket.run()
        # Once more, as each `docker compose up` does.
        bucket.run()
        assert "<Name>facesent</Name>" in requests.get(f"http://127.0.0.1:{port}", timeout=60).text
    finally:
        storage.stop()
