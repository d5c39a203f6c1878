"""Unsafe archives are refused before anything is written."""

import stat
import struct
import zipfile
import zlib
from pathlib import Path
from types import SimpleNamespace

import pytest

from facesent.core.errors import DataError
from facesent.core.files import FilesError
from facesent.sources.archive import DamagedArchiveError, Limits, unpack
from tests.helpers.archives import as_deflate64


def write_zip(path: Path, *members: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def special(kind: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("A/x.jpg")
    info.create_system = 3
    info.external_attr = (kind | 0o777) << 16
    return info


def test_unpacks_plain_files(tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "a.zip", ("dataset/", b""), ("dataset/A/1.jpg", b"one"), ("data.csv", b"path,label"))
    unpack(archive, tmp_path / "out")
    files = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert files == {"dataset/A/1.jpg", "data.csv"}
    assert (tmp_path / "out/dataset/A/1.jpg").read_bytes() == b"one"


def test_names_that_are_too_long_for_the_disk_are_left_out(tmp_path: Path) -> None:
    deep = "/".join(["d" * 200] * 30)
    names = ("A/1.jpg", f"A/{'n' * 300}.jpg", f"{deep}/2.jpg")
    assert unpack(write_zip(tmp_path / "a.zip", *((name, b"x") for name in names)), tmp_path / "out") == list(names[1:])
    assert (tmp_path / "out/A/1.jpg").exists()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("/etc/x.jpg", "absolute"),
        ("C:/x.jpg", "absolute"),
        ("../x.jpg", "leaves the folder"),
        ("A/../../x.jpg", "leaves the folder"),
        ("A\\..\\x.jpg", "a backslash"),
        ("A/x\n.jpg", "not a plain path"),
        (special(stat.S_IFLNK), "a link"),
        (special(stat.S_IFCHR), "a device"),
        (special(stat.S_IFIFO), "a device"),
    ],
)
def test_refuses_unsafe_members(tmp_path: Path, name: str | zipfile.ZipInfo, reason: str) -> None:
    archive = write_zip(tmp_path / "a.zip", ("A/good.jpg", b"good"), (name, b"bad"))
    with pytest.raises(DataError, match=reason):
        unpack(archive, tmp_path / "deep" / "out")
    assert [path.name for path in tmp_path.rglob("*")] == ["a.zip"]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_refuses_two_members_of_one_name(tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "a.zip", ("A/1.jpg", b"one"), ("A/1.jpg", b"two"))
    with pytest.raises(DataError, match="same name"):
        unpack(archive, tmp_path / "out")


def test_refuses_a_file_that_another_member_uses_as_a_folder(tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "a.zip", ("A", b"file"), ("A/1.jpg", b"one"))
    with pytest.raises(DataError, match="with the name of a folder"):
        unpack(archive, tmp_path / "out")


def test_refuses_a_zip_bomb(tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "a.zip", ("A/1.jpg", bytes(10_000_000)))
    with pytest.raises(DataError, match="zip bomb"):
        unpack(archive, tmp_path / "out")


def test_refuses_what_the_disk_has_no_room_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = write_zip(tmp_path / "a.zip", ("A/1.jpg", b"1"))
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=0))
    with pytest.raises(FilesError, match="for unpacking"):
        unpack(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_refuses_more_members_than_the_limit(tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "a.zip", ("A/1.jpg", b"1"), ("A/2.jpg", b"2"), ("A/3.jpg", b"3"))
    with pytest.raises(DataError, match="3 members"):
        unpack(archive, tmp_path / "out", limits=Limits(members=2))


@pytest.mark.parametrize("content", [b"", b"<html>", b"PK\x03\x04 and no more"])
def test_what_is_no_zip_is_said(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(DamagedArchiveError, match="whole zip"):
        unpack(tmp_path / "a.zip", tmp_path / "out")


def test_a_flipped_bit_is_noticed(tmp_path: Path) -> None:
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as content:
        content.writestr("A/1.jpg", b"picture" * 10)
    archive.write_bytes(archive.read_bytes().replace(b"picturepicture", b"picturePicture", 1))
    with pytest.raises(DamagedArchiveError, match="CRC"):
        unpack(archive, tmp_path / "out")


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_damaged_member_is_one_line(tmp_path: Path, method: int) -> None:
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w", method) as content:
        content.writestr("A/1.jpg", bytes(range(256)) * 64)
    damaged = bytearray(archive.read_bytes())
    damaged[60:90] = bytes(30)
    archive.write_bytes(damaged)
    with pytest.raises(DamagedArchiveError, match="Expected a whole zip archive"):
        unpack(archive, tmp_path / "out")


def test_a_name_that_is_no_text_is_one_line(tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "a.zip", ("A/ä.jpg", b"one"))
    archive.write_bytes(archive.read_bytes().replace("ä".encode(), b"\xff\xff"))
    with pytest.raises(DamagedArchiveError, match="Expected a whole zip archive"):
        unpack(archive, tmp_path / "out")


def of_windows(name: str) -> zipfile.ZipInfo:
    """A member as PowerShell 5 writes it."""
    info = zipfile.ZipInfo(name)
    info.create_system = 0
    return info


def unpacked(archive: Path, folder: Path) -> list[str]:
    unpack(archive, folder)
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_backslashes_of_windows_are_slashes(tmp_path: Path) -> None:
    members = [(of_windows(name), b"x") for name in ("Happy\\1.png", "Happy\\Zoë\\2.png", "metadata.csv", "Sad\\")]
    files = unpacked(write_zip(tmp_path / "a.zip", *members), tmp_path / "out")
    assert files == ["Happy/1.png", "Happy/Zoë/2.png", "metadata.csv"]
    assert unpacked(write_zip(tmp_path / "b.zip", ("A\\1.png", b"x")), tmp_path / "other") == ["A/1.png"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("..\\x.jpg", "leaves the folder"),
        ("A\\..\\..\\x.jpg", "leaves the folder"),
        ("\\x.jpg", "absolute"),
        ("\\\\host\\x.jpg", "absolute"),
        ("C:\\x.jpg", "absolute"),
        ("A/B\\x.jpg", "a backslash"),
        ("A\\good.jpg\\", "same name"),
    ],
)
def test_what_windows_wrote_is_checked_as_any_other(tmp_path: Path, name: str, reason: str) -> None:
    archive = write_zip(tmp_path / "a.zip", (of_windows("A\\good.jpg"), b"good"), (of_windows(name), b"bad"))
    with pytest.raises(DataError, match=f"{reason}.*unpack it and import the folder"):
        unpack(archive, tmp_path / "deep" / "out")
    assert [path.name for path in tmp_path.rglob("*")] == ["a.zip"]


def without_mark(archive: Path, *members: tuple[str, bytes]) -> Path:
    """A zip whose names are bytes in some encoding; each as long as the name in its place."""
    write_zip(archive, *((name, b"x") for name, _ in members))
    content = archive.read_bytes()
    for name, encoded in members:
        assert len(name) == len(encoded)
        content = content.replace(name.encode(), encoded)
    archive.write_bytes(content)
    return archive


def test_names_in_utf8_without_the_mark_are_read_as_such(tmp_path: Path) -> None:
    archive = without_mark(tmp_path / "a.zip", ("Zo__/1.jpg", "Zoë/1.jpg".encode()))
    assert unpacked(archive, tmp_path / "out") == ["Zoë/1.jpg"]


@pytest.mark.parametrize("encoding", ["gbk", "shift-jis"])
def test_names_in_an_encoding_that_nobody_tells_are_refused_with_what_to_do(tmp_path: Path, encoding: str) -> None:
    archive = without_mark(tmp_path / "a.zip", ("____/1.jpg", "高興/1.jpg".encode(encoding)))
    with pytest.raises(
        DataError, match=r"Expected names in UTF-8 inside .*a\.zip.*unzip -O gbk, and import the folder"
    ):
        unpack(archive, tmp_path / "out")
    assert [path.name for path in tmp_path.rglob("*")] == ["a.zip"]


@pytest.mark.parametrize(("name", "files"), [("高兴/1.jpg", ["高兴/1.jpg"]), ("../1.jpg", [])])
def test_a_name_in_unicode_beside_it_counts_and_is_checked(tmp_path: Path, name: str, files: list[str]) -> None:
    archive, member = tmp_path / "a.zip", zipfile.ZipInfo("__/1.jpg")
    field = struct.pack("<BL", 1, zlib.crc32(b"__/1.jpg")) + name.encode()
    member.extra = struct.pack("<HH", 0x7075, len(field)) + field
    write_zip(archive, (member, b"x"))
    if files:
        assert unpacked(archive, tmp_path / "out") == files
    else:
        with pytest.raises(DataError, match="leaves the folder"):
            unpack(archive, tmp_path / "out")


def test_a_method_that_python_does_not_know_is_no_damage(tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "a.zip", ("A/1.jpg", b"picture" * 100))
    archive.write_bytes(as_deflate64(archive.read_bytes()))
    with pytest.raises(DataError, match=r"Unpack it, such as with 7z x .*a\.zip, and import the folder") as refused:
        unpack(archive, tmp_path / "out")
    assert not isinstance(refused.value, DamagedArchiveError)
