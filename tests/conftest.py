"""Fixtures for all tests."""

import base64
import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from facesent.registry.client import prepare


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


@dataclass
class Kaggle:
    """What the stand-in for Kaggle's API and file store has, refuses and was asked."""

    archive: bytes = b""
    version: int = 1
    key: str | None = None
    status: int = 200
    break_after: int | None = None
    ranges: bool = True
    checksum: str | None = None
    asked: list[str] = field(default_factory=list)

    @property
    def etag(self) -> str:
        """The archive's identity, as a file store gives it."""
        return hashlib.sha256(self.archive).hexdigest()


@pytest.fixture
def kaggle(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kaggle]:
    """A local server that speaks Kaggle's protocol: the API redirects to a file store that serves ranges."""
    from kagglesdk import kaggle_env

    state = Kaggle()
    handler = type("Handler", (_KaggleHandler,), {"state": state})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        address = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.PROD, address)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(home / ".kaggle"))
        for name in ("KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_API_TOKEN", "KAGGLE_API_ENVIRONMENT"):
            monkeypatch.delenv(name, raising=False)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()


class _KaggleHandler(BaseHTTPRequestHandler):
    state: Kaggle

    def do_HEAD(self) -> None:
        self._send(404)

    def do_POST(self) -> None:
        question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        method = self.path.rpartition("/")[2]
        self.state.asked.append(method)
        if self.state.status != 200:
            self._send(self.state.status)
        elif self.state.key and self.headers["Authorization"] != self._expected():
            self._send(401)
        elif method == "GetDataset":
            self._send(200, json.dumps({"currentVersionNumber": self.state.version}).encode(), json_body=True)
        else:
            assert question["datasetVersionNumber"] == self.state.version
            self._send(302, headers={"Location": "/store/archive.zip?X-Goog-Signature=signed-secret"})

    def do_GET(self) -> None:
        start = 0
        self.state.asked.append(self.headers.get("Range", "all"))
        if self.state.ranges and (wanted := self.headers.get("Range")):
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
        body = self.state.archive[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", self.state.etag)
        self.send_header("x-goog-hash", f"md5={self.state.checksum or self._md5()}")
        self.end_headers()
        self._write(body[: self.state.break_after])
        self.close_connection = True

    def _write(self, body: bytes) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.wfile.write(body)

    def _send(
        self, status: int, body: bytes = b"", *, json_body: bool = False, headers: dict[str, str] | None = None
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json" if json_body else "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _expected(self) -> str:
        return "Basic " + base64.b64encode(f"me:{self.state.key}".encode()).decode()

    def _md5(self) -> str:
        return base64.b64encode(hashlib.md5(self.state.archive, usedforsecurity=False).digest()).decode()

    def log_message(self, *_: object) -> None:
        """Quiet."""


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
