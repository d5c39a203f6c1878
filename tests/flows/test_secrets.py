"""Nothing that is written, logged or printed holds a secret of those who run it: the real tools, then a search."""

import base64
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from facesent.core.ports import free_port
from tests.helpers.tracking_server import tracking_server

pytestmark = pytest.mark.slow

BIN = Path(sys.executable).parent
# Who it was is no secret: MLflow tags a model with its user.
USER, PASSWORD = "ann", "marked-password-72"
SECRETS = {
    "KAGGLE_USERNAME": "marked-kaggle-user-73",
    "KAGGLE_KEY": "marked-kaggle-key-74",
    "KAGGLE_API_TOKEN": "marked-kaggle-token-75",
    "AWS_ACCESS_KEY_ID": "marked-remote-id-76",
    "AWS_SECRET_ACCESS_KEY": "marked-remote-key-77",
    "PREFECT_SERVER_API_AUTH_STRING": "marked-admin-78:marked-pass-78",
    "PREFECT_API_AUTH_STRING": "marked-admin-78:marked-pass-78",
}
# As a header of HTTP has them.
BASIC = [base64.b64encode(pair.encode()) for pair in (f"{USER}:{PASSWORD}", SECRETS["PREFECT_API_AUTH_STRING"])]


def assert_nothing_marked(printed: str, folders: Iterable[Path], *, own: Iterable[Path] = ()) -> None:
    """Search every byte, but not in the files in which a person keeps the secrets."""
    files = [file for folder in folders for file in folder.rglob("*") if file.is_file() and file not in set(own)]
    assert files
    for name, content in [("what was printed", printed.encode()), *((str(file), file.read_bytes()) for file in files)]:
        for sign in (b"marked-", *BASIC):
            assert sign not in content, f"{name}: {content[max(0, content.find(sign) - 200) :][:300]!r}"


@pytest.fixture
def environment(small_project: Path) -> Mapping[str, str]:
    return {**os.environ, **SECRETS, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(small_project)}


def run(project: Path, environment: Mapping[str, str], *command: str) -> tuple[int, str]:
    done = subprocess.run(
        command, cwd=project, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    return done.returncode, done.stdout


@pytest.mark.long
def test_a_whole_flow_leaves_no_secret_anywhere(
    small_project: Path, own_home: Path, environment: Mapping[str, str], tmp_path: Path
) -> None:
    remote = f"https://{USER}:{PASSWORD}@127.0.0.1:9/faces.git"
    subprocess.run(["git", "remote", "add", "origin", remote], cwd=small_project, check=True)
    local = small_project / ".dvc" / "config.local"
    local.write_text(f"['remote \"store\"']\n    url = https://127.0.0.1:9\n    password = {PASSWORD}\n")
    own = [local, small_project / ".git" / "config"]
    port = free_port()
    with tracking_server(tmp_path, port):
        # Any user is one of a server that asks nobody.
        environment = {**environment, "MLFLOW_TRACKING_URI": f"http://{USER}:{PASSWORD}@127.0.0.1:{port}"}
        code, printed = run(small_project, environment, sys.executable, "-m", "flows.pipeline")
        assert code == 0, printed
        code, listed = run(small_project, environment, "facesent", "models", "--json")
        assert '"number": 1' in listed
    assert (tmp_path / "mlflow.db").stat().st_size > 100_000
    assert (small_project / ".prefect").is_dir()
    assert not (small_project / "mlflow.db").exists()
    assert_nothing_marked(printed + listed, [small_project, own_home, tmp_path], own=own)
    # Errors of a server that is gone name its address.
    gone = {**environment, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
    for command in (("facesent", "models"), ("facesent", "promote"), ("facesent", "doctor")):
        code, printed = run(small_project, gone, *command)
        assert code == 1
        assert "MLFLOW_TRACKING_URI" in printed
        assert_nothing_marked(printed, [small_project], own=own)
