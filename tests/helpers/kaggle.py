"""A stand-in for Kaggle, which speaks its protocol."""

import base64
import contextlib
import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest


@dataclass
class Kaggle:
    """What the stand-in for Kaggle's API and file store has, refuses and was asked."""

    archive: bytes = b""
    version: int = 1
    key: str | None = None
    status: int = 200
    break_after: int | None = None
    go_on: threading.Event | None = None
    """Until then it says nothing more, after what it has sent of the archive."""
    ranges: bool = True
    checksum: str | None = None
    asked: list[str] = field(default_factory=list)

    @property
    def etag(self) -> str:
        """The archive's identity, as a file store gives it."""
        return hashlib.sha256(self.archive).hexdigest()


@contextlib.contextmanager
def kaggle_server(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kaggle]:
    """A local server that speaks Kaggle's protocol: the API redirects to a file store that serves ranges."""
    from kagglehub import clients
    from kagglesdk import kaggle_env

    # It looks for its callers among all modules, which after other tests takes seconds a request.
    monkeypatch.setattr(clients, "get_user_agent", lambda: "kagglehub")
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
        if self.state.go_on:
            self.wfile.flush()
            self.state.go_on.wait(30)
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
