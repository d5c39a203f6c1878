"""Remotes and artifacts in a folder and in moto's object storage, as ``facesent doctor`` sees them."""

import socket
import sys
from pathlib import Path

import pytest

from facesent.core.paths import Project
from facesent.doctor import reachable, storage
from facesent.doctor.finding import Finding
from facesent.registry.runs import EXPERIMENT
from tests.helpers.object_storage import Storage

pytestmark = pytest.mark.slow


def add_remote(address: str, endpoint: str = "", **settings: str) -> None:
    lines = {"url": address, "endpointurl": endpoint, **settings}
    text = "".join(f"    {name} = {value}\n" for name, value in lines.items() if value)
    with Path(".dvc/config").open("a") as config:
        config.write(f"['remote \"store\"']\n{text}")


def the_remote(project: Path) -> Finding:
    [found] = storage.remotes(Project(project))
    return found


def artifacts(project: Path) -> Finding:
    return next(found for found in reachable.findings(Project(project)) if found.subject == "artifacts")


def store_artifacts_in(address: str) -> None:
    from mlflow import MlflowClient

    MlflowClient().create_experiment(EXPERIMENT, artifact_location=address)


def test_no_remote_is_a_note(project: Path) -> None:
    found = the_remote(project)
    assert (found.state, "dvc remote add" in found.advice) == ("note", True)


def test_settings_that_dvc_cannot_read_are_a_problem(project: Path) -> None:
    Path(".dvc/config").write_text("[remote")
    assert the_remote(project).state == "problem"


def test_a_folder_is_there_or_not(project: Path, tmp_path: Path) -> None:
    add_remote(str(tmp_path / "store"))
    assert (the_remote(project).state, the_remote(project).what) == ("note", f"store: {tmp_path}/store is not there")
    (tmp_path / "store").mkdir()
    assert the_remote(project) == Finding("DVC remote", "ok", f"store: {tmp_path}/store")


def test_a_remote_of_another_kind_is_named(project: Path) -> None:
    add_remote("http://me:hidden-word@example.org/store")
    assert the_remote(project) == Finding("DVC remote", "ok", "store: http://example.org/store, which is not looked at")


@pytest.mark.parametrize("missing", ["dvc_s3", "boto3"])
def test_the_extra_that_is_missing_is_named(project: Path, missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    add_remote("s3://images/dvc")
    # As where it is not installed.
    monkeypatch.setitem(sys.modules, missing, None)
    found = the_remote(project)
    assert (found.state, "pip install -e '.[s3]'" in found.advice) == ("problem", True)
    assert "is not installed" in found.what or "to be installed" in found.what


def test_a_bucket_that_may_be_read_and_written_stays_as_it_is(project: Path, object_storage: Storage) -> None:
    add_remote(object_storage.bucket("images") + "/dvc", object_storage.address)
    assert the_remote(project) == Finding("DVC remote", "ok", "store: s3://images/dvc: may be read and written")
    assert object_storage.keys("images") == []
    assert "Uploads" not in object_storage.client().list_multipart_uploads(Bucket="images")


def test_a_bucket_that_is_gone(project: Path, object_storage: Storage) -> None:
    add_remote("s3://gone/dvc", object_storage.address)
    found = the_remote(project)
    assert (found.state, "bucket does not exist" in found.what) == ("problem", True)
    assert found.advice == "Make the bucket, or correct its name."


def test_a_key_that_the_storage_does_not_know(
    project: Path, object_storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_remote(object_storage.bucket("images"), object_storage.address, access_key_id="me", secret_access_key="hidden")  # noqa: S106
    key = object_storage.key()
    with object_storage.asking_who_is_there():
        found = the_remote(project)
        assert (found.state, "Access Key Id you provided does not exist" in found.what) == ("problem", True)
        assert "AWS_ACCESS_KEY_ID" in found.advice
        assert "hidden" not in str(found)
        # The environment's do not count where the remote has some.
        key.set(monkeypatch)
        assert the_remote(project).state == "problem"


def test_a_key_that_may_only_read(project: Path, object_storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    add_remote(object_storage.bucket("images"), object_storage.address)
    reader, writer = object_storage.key(may_write=False), object_storage.key()
    with object_storage.asking_who_is_there():
        reader.set(monkeypatch)
        assert (the_remote(project).state, the_remote(project).what) == (
            "note",
            "store: s3://images: may be read, not written",
        )
        writer.set(monkeypatch)
        assert the_remote(project).state == "ok"


def test_no_credentials(project: Path, object_storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    add_remote(object_storage.bucket("images"), object_storage.address)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    found = the_remote(project)
    assert (found.state, "Unable to locate credentials" in found.what) == ("problem", True)
    assert "AWS_PROFILE" in found.advice


def test_a_host_that_takes_connections_and_says_nothing_is_not_waited_for(
    project: Path, object_storage: Storage
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        add_remote("s3://images", f"http://127.0.0.1:{silent.getsockname()[1]}")
        found = the_remote(project)
    assert (found.state, "Read timeout on endpoint URL" in found.what) == ("problem", True)
    assert "network" in found.advice


def test_artifacts_in_a_bucket(
    project: Path, mlflow_store: Path, object_storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", object_storage.address)
    store_artifacts_in("s3://runs/artifacts")
    assert (artifacts(project).state, "bucket does not exist" in artifacts(project).what) == ("problem", True)
    object_storage.bucket("runs")
    assert artifacts(project) == Finding("artifacts", "ok", "s3://runs/artifacts: may be read and written")


def test_artifacts_on_this_machine_are_not_spoken_of(project: Path, mlflow_store: Path) -> None:
    store_artifacts_in("mlruns/1")
    assert [found for found in reachable.findings(Project(project)) if found.subject == "artifacts"] == []
