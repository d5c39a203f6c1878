"""Unpack a zip archive of unknown origin: all of it is checked before the first byte is written."""

import errno
import lzma
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from facesent.core.errors import DataError
from facesent.core.files import require_room

_ENCRYPTED = 0x1
_UTF8 = 0x800
_WINDOWS = 0
# The field with a name in Unicode.
_NAME = 0x7075
# What zipfile and its decompressors raise on a file that is none, or no longer whole.
_DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, UnicodeDecodeError)


class DamagedArchiveError(DataError):
    """What was received is no zip archive, or not all of one."""


@dataclass(frozen=True)
class Limits:
    """What an honest archive stays under: JPEG and PNG hardly shrink in a zip, a bomb shrinks a thousandfold."""

    members: int = 1_000_000
    bytes: int = 200 * 2**30
    ratio: int = 100


def unpack(archive: Path, directory: Path, *, limits: Limits | None = None) -> list[str]:
    """Unpack ``archive`` into the new folder ``directory``.

    Args:
        archive: a zip file.
        directory: is made; partly filled if this raises.
        limits: beyond them the archive is refused.

    Returns:
        The members that were left out, since the disk takes no name so long.

    Raises:
        DamagedArchiveError: not a zip, or damaged.
        FilesError: too large for the disk.
        DataError: a member is unsafe: an absolute path, a ``..``, a link, a device, an encrypted one, a name in an
            unknown encoding, or one that occurs twice; or packed by a method that Python does not know, such as
            Deflate64.
    """
    try:
        with zipfile.ZipFile(archive) as content:
            members = content.infolist()
            _correct_names(members, archive)
            _check(members, archive, limits or Limits())
            files = [member for member in members if not member.is_dir()]
            require_room(directory.parent, sum(member.file_size for member in files), "unpacking")
            directory.mkdir(parents=True)
            return [member.filename for member in files if not _write(content, member, directory)]
    except NotImplementedError as error:
        raise DataError(
            f"Expected a zip archive that Python can read in {archive}. Received: {error}. Unpack it, such as with "
            f"7z x {archive}, and import the folder."
        ) from None
    except (*_DAMAGED, OSError) as error:
        # bzip2 raises an OSError of its own, which is none of the system's.
        if isinstance(error, OSError) and error.errno:
            raise
        raise DamagedArchiveError(
            f"Expected a whole zip archive in {archive}. Received: {error}. Copy or download it again."
        ) from None


def _correct_names(members: Sequence[zipfile.ZipInfo], archive: Path) -> None:
    """Give the members the names that were meant where a program did not write them as zip wants it."""
    for member in members:
        member.filename = _decoded(member, archive)
    names = [member.filename for member in members]
    of_windows = all(member.create_system == _WINDOWS for member in members) or all("\\" in name for name in names)
    if of_windows and not any("/" in name for name in names):
        for member in members:
            member.filename = member.filename.replace("\\", "/")


def _decoded(member: zipfile.ZipInfo, archive: Path) -> str:
    """The name of a member, which without the mark for UTF-8 is in whatever encoding its machine had."""
    if member.flag_bits & _UTF8:
        return member.filename
    # zipfile takes it for CP437, which has a letter for each byte.
    name = member.orig_filename.encode("cp437")
    try:
        return _name_beside(name, member.extra) or name.decode("utf-8")
    except UnicodeDecodeError:
        raise DataError(
            f"Expected names in UTF-8 inside {archive}. Received: {member.filename!r:.120}, in an encoding that the "
            "archive does not tell. Unpack it with the right one, such as unzip -O gbk, and import the folder."
        ) from None


def _name_beside(name: bytes, extra: bytes) -> str:
    """The name in Unicode that WinRAR and WinZip write beside the one in their machine's encoding; else nothing."""
    while len(extra) >= 4:
        kind, size = struct.unpack_from("<HH", extra)
        field, extra = extra[4 : 4 + size], extra[4 + size :]
        # Of version 1, with the checksum of the name that it stands for.
        if kind == _NAME and field[:5] == struct.pack("<BL", 1, zlib.crc32(name)):
            return field[5:].decode("utf-8")
    return ""


def _check(members: Sequence[zipfile.ZipInfo], archive: Path, limits: Limits) -> None:
    for member in members:
        if problem := _problem(member):
            raise _unsafe(archive, f"{member.filename!r:.120} ({problem})")
    names = [member.filename.rstrip("/") for member in members]
    if len(set(names)) < len(names):
        raise _unsafe(archive, "two members of the same name")
    if len(names) > limits.members:
        raise _unsafe(archive, f"{len(names)} members (at most {limits.members})")
    size = sum(member.file_size for member in members)
    # Reading a member stops at its declared size, so that these sums bound what is written.
    if size > min(limits.bytes, limits.ratio * archive.stat().st_size):
        raise _unsafe(archive, f"{size} bytes packed into {archive.stat().st_size}, like a zip bomb")


def _problem(member: zipfile.ZipInfo) -> str | None:
    name = member.filename
    path = PurePosixPath(name)
    kind = stat.S_IFMT(member.external_attr >> 16)
    if path.is_absolute() or name[1:2] == ":":
        return "an absolute path"
    if ".." in path.parts:
        return "a path that leaves the folder"
    if "\\" in name:
        return "a backslash, and others have slashes"
    if not path.parts or any(ord(letter) < 32 for letter in name):
        return "a name that is not a plain path"
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "a link" if stat.S_ISLNK(kind) else "a device"
    return "encrypted" if member.flag_bits & _ENCRYPTED else None


def _write(content: zipfile.ZipFile, member: zipfile.ZipInfo, directory: Path) -> bool:
    target = directory / member.filename
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with content.open(member) as source, target.open("xb") as sink:
            shutil.copyfileobj(source, sink)
        return True
    except (FileExistsError, NotADirectoryError, IsADirectoryError):
        raise _unsafe(content.filename, f"{member.filename!r:.120} (a file with the name of a folder)") from None
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return False
        raise


def _unsafe(archive: Path | str | None, received: str) -> DataError:
    return DataError(
        f"Expected only plain files inside {archive}. Received: {received}. Nothing of it was used. If you "
        "trust it, unpack it and import the folder."
    )
