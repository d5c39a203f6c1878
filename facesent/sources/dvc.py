"""DVC's view of ``data/``: put it under DVC, compare it with ``data.dvc``, and tell the way back to what it was.

DVC runs as a process of its own: it keeps global state and looks at the working folder, and a kill cannot corrupt ours.
"""

import json
import os
import shutil
import subprocess
from enum import StrEnum
from pathlib import Path
from typing import Any

from facesent.core import object_storage
from facesent.core.dvc_files import md5_of, repository_root
from facesent.core.errors import DataError
from facesent.core.programs import ProgramError, child_environment, dvc, run
from facesent.dataset.files import check_names

_ERROR = "ERROR:"


class Tracking(StrEnum):
    """How a data folder stands to the ``.dvc`` file beside it."""

    MATCHES = "matches"
    DIFFERS = "differs"
    MISSING = "missing"
    UNTRACKED = "untracked"
    NO_DVC = "no DVC repository"


def pointer(data_dir: Path) -> Path:
    """The file in which DVC keeps the hash of ``data_dir``: ``data.dvc`` for ``data``."""
    return data_dir.with_name(f"{data_dir.name}.dvc")


def repository(data_dir: Path) -> Path | None:
    """The root of the DVC repository around ``data_dir``, if there is one."""
    return repository_root(data_dir.parent)


def track(data_dir: Path) -> bool:
    """Copy ``data_dir`` into DVC's cache and write its hash to its ``.dvc`` file.

    The same content leaves that file as it is, byte for byte, and so does a failure.

    Returns:
        False where there is no DVC repository, so that nothing was done.

    Raises:
        DataError: with DVC's reason.
    """
    if repository(data_dir) is None:
        return False
    check_names(data_dir)
    source = pointer(data_dir)
    before = source.read_bytes() if source.is_file() else None
    try:
        _dvc("add", data_dir.name, folder=data_dir.parent)
    except BaseException:
        _restore(source, before)
        raise
    return True


def tracking(data_dir: Path) -> Tracking:
    """Compare ``data_dir`` with its ``.dvc`` file; reads every file that DVC has not seen before.

    Raises:
        DataError: with DVC's reason, for instance that another DVC command holds the repository.
    """
    if repository(data_dir) is None:
        return Tracking.NO_DVC
    if not pointer(data_dir).is_file():
        return Tracking.UNTRACKED
    if not data_dir.exists():
        return Tracking.MISSING
    check_names(data_dir)
    answer = _dvc("status", "--json", pointer(data_dir).name, folder=data_dir.parent)
    changes = {
        state
        for stage in json.loads(answer).values()
        for change in stage
        if isinstance(change, dict)
        for state in change.get("changed outs", {}).values()
    }
    # "not in cache" is the right content that DVC has not copied yet, as in a fresh clone.
    return Tracking.DIFFERS if changes - {"not in cache"} else Tracking.MATCHES


def can_check_out(data_dir: Path) -> bool:
    """Whether DVC's cache, wherever it is set to be, has all that the ``.dvc`` file of ``data_dir`` describes."""
    root, digest = repository(data_dir), md5_of(pointer(data_dir))
    if root is None or digest is None:
        return False
    objects = Path(_settings(root)["cache"].get("dir") or root / ".dvc" / "cache") / "files" / "md5"
    try:
        listed = json.loads((objects / digest[:2] / digest[2:]).read_bytes())
    except (OSError, ValueError):
        return False
    # An interrupted pull leaves the list with some of its files.
    hashes = [str(file.get("md5", "")) for file in listed]
    return all((objects / known[:2] / known[2:]).is_file() for known in hashes)


def has_remote(root: Path) -> bool:
    """Whether the DVC project in ``root`` has a default remote.

    Raises:
        DataError: DVC's settings cannot be read.
    """
    return bool(_settings(root)["core"].get("remote"))


def can_pull(data_dir: Path) -> bool:
    """Whether a default remote may have what the ``.dvc`` file of ``data_dir`` describes."""
    root = repository(data_dir)
    return root is not None and is_known(data_dir) and has_remote(root)


def pull(data_dir: Path) -> None:
    """Get what the ``.dvc`` file of ``data_dir`` describes from the default remote.

    Raises:
        DataError: with DVC's reason; what came is in the cache, and the next try gets the rest.
    """
    printed: list[str] = []
    try:
        run(dvc("pull", pointer(data_dir).name), data_dir.parent, child_environment(), printed.append)
    except ProgramError:
        # The first one says why, the others what came of it.
        said = next((line for line in printed if line.startswith(_ERROR)), printed[-1] if printed else "nothing")
        reason = said.removeprefix(_ERROR).strip(" .:")
        # To DVC, a bucket that is gone is one without these images.
        nobody = "If nobody pushed them: dvc push where they are. Whether the remote is there: facesent doctor"
        advice = object_storage.advice_for(reason) or nobody
        raise DataError(
            f"Expected the images of {pointer(data_dir)} from DVC's remote. Received: {reason}. {advice}"
        ) from None


def matches(data_dir: Path) -> bool:
    """Whether ``data_dir`` holds what its ``.dvc`` file says."""
    return tracking(data_dir) is Tracking.MATCHES


def is_known(data_dir: Path) -> bool:
    """Whether there is a DVC repository, and a readable ``.dvc`` file of ``data_dir`` in it."""
    return repository(data_dir) is not None and bool(md5_of(pointer(data_dir)))


def way_back(data_dir: Path) -> str:
    """The commands that bring back what the ``.dvc`` file describes now, for after it has been rewritten.

    Where git's last commit does not have that ``.dvc`` file, a copy of it is kept in DVC's own folder.
    """
    source = pointer(data_dir)
    checkout = f"dvc checkout {source}"
    if commit := _commit_with(source):
        return f"git checkout {commit} -- {source} && {checkout}"
    root = repository(data_dir)
    if root is None:
        raise DataError(f"Expected {data_dir} inside a DVC repository. Received: none around it. Run `dvc init` first.")
    digest = md5_of(source) or "unreadable"
    kept = root / ".dvc" / "tmp" / "replaced" / f"{data_dir.name}-{digest[:8]}.dvc"
    kept.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, kept)
    return f"cp {os.path.relpath(kept)} {source} && {checkout}"


def shares_files_with_cache(data_dir: Path) -> bool:
    """Whether DVC is set to hard-link files to its cache, which makes them and all their links read-only."""
    root = repository(data_dir)
    if root is None:
        return False
    # `dvc config` fails for a setting that nobody made.
    answer = _run(dvc("config", "cache.type"), root)
    return "hardlink" in answer.stdout


def _restore(source: Path, content: bytes | None) -> None:
    if content is None:
        source.unlink(missing_ok=True)
    elif source.read_bytes() != content:
        # In place: on a full disk there may be no room for a second file.
        source.write_bytes(content)


def _settings(root: Path) -> Any:
    from dvc.config import Config, ConfigError

    folder = root / ".dvc"
    try:
        return Config(str(folder))
    except ConfigError as error:
        files = f"{folder / 'config'}, config.local beside it, or DVC's global ones"
        said = str(error).rstrip(".")
        raise DataError(f"Expected settings of DVC in {files}. Received: {said}. Correct that file.") from None


def _commit_with(source: Path) -> str | None:
    if shutil.which("git") is None:
        return None
    committed = _run(["git", "show", f"HEAD:./{source.name}"], source.parent)
    if committed.returncode or committed.stdout != source.read_text(encoding="utf-8"):
        return None
    return _run(["git", "rev-parse", "--short", "HEAD"], source.parent).stdout.strip()


def _dvc(*arguments: str, folder: Path) -> str:
    answer = _run(dvc(*arguments), folder)
    # On a full disk `dvc add` ends with status 0 although it could not copy every file to its cache.
    if answer.returncode or _ERROR in answer.stderr:
        raise DataError(f"Expected `dvc {' '.join(arguments)}` to succeed. Received: {_reason(answer.stderr)}")
    return answer.stdout


def _reason(stderr: str) -> str:
    text = stderr[max(stderr.rfind(_ERROR), 0) :].strip()
    return "\n".join(line for line in text.splitlines() if line.strip() and "Having any troubles" not in line)


def _run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
