"""Fixtures for all tests."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from facesent.registry.client import prepare
from tests.helpers.postgres import Cluster, running_cluster

if TYPE_CHECKING:
    from tests.helpers.object_storage import Storage


def pytest_configure(config: pytest.Config) -> None:
    """Keras and Matplotlib write into the home when they are imported; workers of xdist inherit what is set here."""
    prepare()
    if "PYTEST_XDIST_WORKER" not in os.environ:
        folder = tempfile.TemporaryDirectory(prefix="facesent-tests-")
        config.add_cleanup(folder.cleanup)
        os.environ["KERAS_HOME"] = os.environ["MPLCONFIGDIR"] = folder.name


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, so that nothing of the user's is read or written."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    for name in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name in ("GLOBAL_CONFIG", "SYSTEM_CONFIG", "SITE_CACHE"):
        monkeypatch.setenv(f"DVC_{name}_DIR", str(home / f"dvc-{name.lower()}"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(home / "gitconfig"))
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "Test")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "test@example.org")
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)
    return home


@pytest.fixture
def project(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder under git and DVC, which is the working folder."""
    folder = tmp_path / "project"
    folder.mkdir()
    # What a clone of a DVC repository has; `dvc init` would take seconds a test.
    (folder / ".dvc").mkdir()
    (folder / ".dvc" / "config").write_text("[core]\n    analytics = false\n")
    (folder / ".dvc" / ".gitignore").write_text("/config.local\n/tmp\n/cache\n")
    for command in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message", "Start"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture(scope="session")
def empty_mlflow_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow's tables, made once: creating them takes seconds."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    folder = tmp_path_factory.mktemp("mlflow")
    SqlAlchemyStore(f"sqlite:///{folder}/mlflow.db", str(folder / "mlruns"))
    return folder / "mlflow.db"


@pytest.fixture
def mlflow_store(project: Path, empty_mlflow_database: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty tracking store and registry of the project's own."""
    database = project / "mlflow.db"
    shutil.copy(empty_mlflow_database, database)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{database}")
    return database


@pytest.fixture(scope="session")
def storage_server() -> Iterator["Storage"]:
    """An object storage for all tests of this process."""
    # Not above: moto takes long to import.
    from tests.helpers.object_storage import storage

    with storage() as answering:
        yield answering


@pytest.fixture
def object_storage(storage_server: "Storage", home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator["Storage"]:
    """An empty object storage, which the environment has credentials for."""
    storage_server.use(monkeypatch)
    yield storage_server
    storage_server.empty()


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator[Cluster]:
    """A PostgreSQL server; the test is skipped where its programs are missing."""
    with running_cluster() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def empty_mlflow_in_postgres(postgres_cluster: Cluster) -> str:
    """The name of a database with MLflow's tables, to be copied: creating them takes seconds."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    address = postgres_cluster.database()
    SqlAlchemyStore(address, "mlruns").engine.dispose()
    return address.rpartition("/")[2]


@pytest.fixture
def mlflow_in_postgres(
    project: Path, postgres_cluster: Cluster, empty_mlflow_in_postgres: str, monkeypatch: pytest.MonkeyPatch
) -> str:
    """An empty tracking store and registry in PostgreSQL."""
    address = postgres_cluster.database(empty_mlflow_in_postgres)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    return address


@pytest.fixture(
    params=["mlflow_store", pytest.param("mlflow_in_postgres", marks=pytest.mark.slow)], ids=["sqlite", "postgresql"]
)
def each_store(request: pytest.FixtureRequest) -> None:
    """The test once with each database that MLflow's store may be in."""
    request.getfixturevalue(request.param)


@pytest.fixture
def postgres(postgres_cluster: Cluster) -> str:
    """The address of an empty PostgreSQL database."""
    return postgres_cluster.database()
