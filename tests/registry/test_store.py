"""A store that cannot be used is refused at once, before MLflow tries for minutes or a training ends in vain."""

import os
from pathlib import Path

import pytest

from facesent.core.errors import TrackingError
from facesent.core.paths import Project
from facesent.doctor import reachable
from facesent.registry import versions
from facesent.registry.client import mlflow_answers
from tests.helpers.stubs import stub


def refusal() -> str:
    with pytest.raises(TrackingError) as caught, mlflow_answers(makes_store=False):
        pytest.fail("MLflow would be asked")
    found = next(reachable.findings(Project()))
    assert found.state == "problem"
    assert str(caught.value) == f"{found.subject}: {found.what}. {found.advice}"
    return str(caught.value)


def test_a_folder_in_the_place_of_the_database(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (project / "mlflow.db").mkdir()
    assert "Received: mlflow.db, a folder. Move it away" in refusal()


def test_a_link_to_nothing_in_the_place_of_the_database(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (project / "mlflow.db").symlink_to(project / "unmounted" / "mlflow.db")
    assert "Received: mlflow.db, a link that leads nowhere. Put the file back" in refusal()


@pytest.mark.parametrize("scheme", ["mysql", "mysql+pymysql", "mssql+pyodbc"])
def test_a_database_whose_driver_is_not_installed(project: Path, monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"{scheme}://me:secret@127.0.0.1/mlflow")
    with pytest.raises(TrackingError, match="expected a driver for this database") as caught, mlflow_answers():
        versions.all_versions()
    assert "secret" not in str(caught.value)
    assert "a driver for this database" in str(next(reachable.findings(Project())).what)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_database_that_is_somebody_elses(mlflow_store: Path) -> None:
    mlflow_store.chmod(0)
    assert "which you may not read. Give yourself permission" in refusal()


def test_a_server_of_an_older_mlflow(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with stub(200, "2.22.0") as address:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        said = refusal()
    assert f"expected MLflow 3 or newer at {address}. Received: 2.22.0. Update that server" in said


@pytest.mark.parametrize(("status", "body"), [(200, "3.0.0rc1"), (404, "2.22.0"), (200, "<html>2.22</html>")])
def test_a_server_that_may_be_new_enough_is_asked(
    project: Path, monkeypatch: pytest.MonkeyPatch, status: int, body: str
) -> None:
    with stub(status, body) as address:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        with mlflow_answers():
            pass
