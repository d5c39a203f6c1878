"""Images, models and runs in a remote: a fresh clone gets them, computes nothing anew, and has the same version."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from facesent.core.errors import DataError
from facesent.core.paths import Project
from facesent.core.ports import free_port
from facesent.model.storage import model_sha256
from flows.first_images import bring
from tests.helpers.object_storage import Connection, Storage, breaking_connection
from tests.helpers.tracking_server import tracking_server

pytestmark = [pytest.mark.slow, pytest.mark.long]

IMAGES, RUNS = "images", "runs"
AUTHOR = {f"GIT_{role}_{what}": "test" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


def run(root: Path, *command: str, fails: bool = False) -> str:
    """What a command of the project in ``root`` prints."""
    done = subprocess.run(
        command, cwd=root, env={**os.environ, **AUTHOR, "PYTHONPATH": str(root)}, text=True, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert bool(done.returncode) == fails, done.stdout
    return done.stdout


def dvc(root: Path, *arguments: str, fails: bool = False) -> str:
    return run(root, sys.executable, "-P", "-m", "dvc", *arguments, fails=fails)


def facesent(root: Path, *arguments: str) -> str:
    return run(root, sys.executable, "-P", "-m", "facesent.cli", *arguments)


def clone(trained: Path, to: Path) -> Path:
    run(trained, "git", "clone", "--quiet", str(trained), str(to))
    return to


def use_remote(root: Path, address: str, **settings: str) -> None:
    """Set the default remote of one clone alone."""
    (root / ".dvc" / "config.local").unlink(missing_ok=True)
    dvc(root, "remote", "add", "--local", "--default", "own", address)
    for name, value in settings.items():
        dvc(root, "remote", "modify", "--local", "own", name, value)


@pytest.fixture(scope="module")
def trained(small_project: Path) -> Path:
    """The small project after its stages, with all that git tracks committed."""
    dvc(small_project, "repro", "--quiet")
    run(small_project, "git", "add", "--all")
    run(small_project, "git", "commit", "--quiet", "--message", "Trained")
    return small_project


@pytest.fixture(scope="module")
def storage(own_home: Path, storage_server: Storage) -> Iterator[Storage]:
    with pytest.MonkeyPatch.context() as patch:
        storage_server.use(patch)
        yield storage_server
        storage_server.empty()


@pytest.fixture
def bucket(storage: Storage) -> Iterator[Storage]:
    """The storage with an empty bucket for images."""
    storage.bucket(IMAGES)
    yield storage
    storage.empty()


@pytest.fixture
def connection(bucket: Storage) -> Iterator[Connection]:
    """To the storage; it breaks when a few of all images are sent."""
    with breaking_connection(bucket.port, 150_000) as connection:
        yield connection


def check_complete(trained: Path, fresh: Path) -> None:
    """The fresh clone gets all from its remote, and no stage has to run."""
    dvc(fresh, "pull")
    said = dvc(fresh, "repro")
    stages = re.findall(r"Stage '(\w+)' didn't change, skipping", said)
    assert (sorted(stages), "Running stage" in said) == (["evaluate", "split", "train", "validate"], False)
    assert run(fresh, "git", "status", "--porcelain") == ""
    there, here = Project(trained), Project(fresh)
    assert model_sha256(here.model, here.labels) == model_sha256(there.model, there.labels)


def test_a_clone_of_what_is_in_a_bucket_registers_the_same_version(
    trained: Path, bucket: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    destination, port = bucket.bucket(RUNS), free_port()
    # As the team commits it.
    dvc(trained, "remote", "add", "--default", "store", f"s3://{IMAGES}/dvc")
    dvc(trained, "remote", "modify", "store", "endpointurl", bucket.address)
    run(trained, "git", "commit", "--all", "--quiet", "--message", "Remote")
    dvc(trained, "push")
    fresh = clone(trained, tmp_path / "fresh")
    check_complete(trained, fresh)
    monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", bucket.address)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
    with tracking_server(tmp_path, port, artifacts=destination):
        assert "Champion: version 1." in facesent(trained, "promote")
        assert "Version 1: already registered." in facesent(fresh, "promote")
        assert re.match(r"data/Happy/\S+: \w+ ", facesent(fresh, "predict", "data/Happy"))
        seen = facesent(fresh, "doctor")
    assert any(key.endswith("/model.keras") for key in bucket.keys(RUNS))
    assert re.search(r"ok +DVC remote +store: s3://images/dvc: may be read and written", seen)
    assert re.search(rf"ok +artifacts +the server keeps them: http://127.0.0.1:{port}", seen)


def test_a_clone_of_what_is_in_a_folder_computes_nothing_anew(trained: Path, tmp_path: Path) -> None:
    use_remote(trained, str(tmp_path / "store"))
    dvc(trained, "push")
    fresh = clone(trained, tmp_path / "fresh")
    use_remote(fresh, str(tmp_path / "store"))
    check_complete(trained, fresh)


def test_a_push_that_was_cut_is_completed_by_the_next(
    trained: Path, bucket: Storage, connection: Connection, tmp_path: Path
) -> None:
    use_remote(trained, f"s3://{IMAGES}/cut", endpointurl=connection.address)
    dvc(trained, "push", fails=True)
    assert connection.broken
    sent = bucket.keys(IMAGES)
    use_remote(trained, f"s3://{IMAGES}/cut", endpointurl=bucket.address)
    dvc(trained, "push")
    assert set(sent) < set(bucket.keys(IMAGES))
    fresh = clone(trained, tmp_path / "fresh")
    use_remote(fresh, f"s3://{IMAGES}/cut", endpointurl=bucket.address)
    check_complete(trained, fresh)


def test_the_flow_takes_images_from_the_remote_and_draws_none_where_it_refuses(
    trained: Path, bucket: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = clone(trained, tmp_path / "fresh")
    pointer = (fresh / "data.dvc").read_text()
    use_remote(fresh, "s3://gone/dvc", endpointurl=bucket.address)
    monkeypatch.chdir(fresh)
    with pytest.raises(DataError, match=r"If nobody pushed them: dvc push .*facesent doctor"):
        bring(Project())
    use_remote(fresh, f"s3://{IMAGES}/dvc", endpointurl=bucket.address)
    with monkeypatch.context() as patch:
        patch.delenv("AWS_ACCESS_KEY_ID")
        with pytest.raises(DataError, match=r"Unable to locate credentials.*AWS_PROFILE"):
            bring(Project())
    assert not Path("data").exists()
    use_remote(trained, f"s3://{IMAGES}/dvc", endpointurl=bucket.address)
    dvc(trained, "push", "data.dvc")
    bring(Project())
    assert len(list(Path("data").glob("*/*"))) == len(list((trained / "data").glob("*/*")))
    assert Path("data.dvc").read_text() == pointer
