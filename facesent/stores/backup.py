"""A project's databases and MLflow's files in one folder: whole or not there, and checked before it is used again."""

import json
import shutil
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from facesent.core.console import Progress
from facesent.core.errors import FacesentError
from facesent.core.files import DRAFT, replaced, sha256
from facesent.registry.addresses import DATABASE, FOLDER, sqlite_file
from facesent.serving.gateway.answers.store import FOLDER as ANSWERS_FOLDER
from facesent.stores.addresses import ANSWERS, MLFLOW, Addresses, in_files
from facesent.stores.copying import check_takes, copy

_CONTENTS = "contents.json"
_NAMES = {MLFLOW: DATABASE, ANSWERS: "answers.db"}
_FOLDERS = (FOLDER, str(ANSWERS_FOLDER))
# Of a new clone, for git.
_IN_GIT = {".gitignore"}


class BackupError(FacesentError):
    """A backup is not whole, or something is where it would be written."""


def back_up(root: Path, source: Addresses, target: Path, progress: Progress) -> int:
    """Write a backup as a new folder; how many files.

    Databases are copied before the files that they name: what is written meanwhile is a file more, and none less.

    Args:
        root: the project's folder.
        source: its databases.
        target: is made, for its owner alone.
        progress: hears of files.

    Raises:
        FacesentError: why there is none.
    """
    if target.exists():
        raise BackupError(f"Expected no {target} yet. Received: one. Name a new folder.")
    target.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=target.parent, prefix=DRAFT) as draft:
        made = Path(draft) / target.name
        made.mkdir(mode=0o700)
        _copy_databases(source, made)
        for name in _FOLDERS:
            if (root / name).is_dir():
                shutil.copytree(
                    root / name, made / name, copy_function=_copy_if_there, ignore=shutil.ignore_patterns(f"{DRAFT}*")
                )
        contents = dict(_hashes(made, progress))
        (made / _CONTENTS).write_text(json.dumps(contents, indent=1), encoding="utf-8")
        made.rename(target)
    return len(contents)


def restore(root: Path, backup: Path, target: Addresses, progress: Progress, *, replace: bool = False) -> Path | None:
    """Put back what a backup holds; the folder into which was moved what had been there.

    Args:
        root: the project's folder.
        backup: of ``back_up``; it is checked first.
        target: the databases of the project. Those of PostgreSQL have to be empty.
        progress: hears of files.
        replace: whether files and folders that are there may be moved away.

    Raises:
        FacesentError: why nothing was restored.
    """
    _check(backup, progress)
    held = {what: target[what] for what, name in _NAMES.items() if (backup / name).is_file()}
    folders = [name for name in _FOLDERS if (backup / name).is_dir()]
    there = [*filter(Path.exists, _files_of(held)), *(root / name for name in folders if _is_used(root / name))]
    if there and not replace:
        listed = ", ".join(map(str, there))
        raise BackupError(f"Expected none of {listed}. Received: some. To move them away first: --replace")
    in_servers = {what: address for what, address in held.items() if sqlite_file(address) is None}
    with TemporaryDirectory(dir=root, prefix=DRAFT) as draft:
        # Of copies: who opens the log of answers changes its file, and a backup is only read.
        sources = {what: f"sqlite:///{shutil.copy(backup / _NAMES[what], draft)}" for what in in_servers}
        # A database that is not empty is refused before anything is moved.
        check_takes(sources, in_servers)
        for name in folders:
            shutil.copytree(backup / name, Path(draft) / name)
        away = _move_away(root, there) if there else None
        for name in folders:
            shutil.rmtree(root / name, ignore_errors=True)
            (Path(draft) / name).rename(root / name)
        # They name the files.
        for what, address in held.items():
            if file := sqlite_file(address):
                _copy_file(backup / _NAMES[what], file)
        # Last, in one transaction: until it is done they are empty, and all of this can be repeated.
        copy(sources, in_servers, progress)
    return away


def _copy_if_there(source: str, target: str) -> None:
    """A server that goes on deletes old photos and keys."""
    with suppress(FileNotFoundError):
        shutil.copy2(source, target)


def _copy_databases(source: Addresses, made: Path) -> None:
    in_servers = {}
    for what, address in source.items():
        if file := sqlite_file(address):
            _copy_file(file, made / _NAMES[what])
        else:
            in_servers[what] = address
    if in_servers:
        copy(in_servers, in_files(*(made / name for name in _NAMES.values())), lambda done, total: None)
        for what in in_servers:
            _leave_alone(made / _NAMES[what])


def _copy_file(source: Path, target: Path) -> None:
    """A database of SQLite as it is at one moment, whoever else has it open."""
    with replaced(target) as draft:
        try:
            with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(draft)) as new:
                old.backup(new)
            _leave_alone(draft)
        except sqlite3.DatabaseError as error:
            raise BackupError(f"Expected a database of SQLite in {source}. Received: {error}.") from None
        draft.chmod(source.stat().st_mode & 0o777)


def _leave_alone(file: Path) -> None:
    """The log of answers writes ahead, for which a copy that is only read would need files beside it."""
    with closing(sqlite3.connect(file)) as database:
        database.execute("PRAGMA journal_mode=DELETE")


def _hashes(folder: Path, progress: Progress) -> Iterator[tuple[str, str]]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    for done, file in enumerate(files, start=1):
        yield file.relative_to(folder).as_posix(), sha256(file)
        progress(done, len(files))


def _check(backup: Path, progress: Progress) -> None:
    try:
        contents: dict[str, str] = json.loads((backup / _CONTENTS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise BackupError(
            f"Expected a folder that `facesent backup` wrote. Received: {backup}, without a readable {_CONTENTS}."
        ) from None
    found = {name: digest for name, digest in _hashes(backup, progress) if name != _CONTENTS}
    if wrong := sorted(dict(found.items() ^ contents.items())):
        raise BackupError(
            f"Expected {backup} as it was written. Received: {len(wrong)} files that were added, changed or removed, "
            f"such as {wrong[0]}. Use another backup."
        )


def _files_of(databases: Addresses) -> Iterator[Path]:
    for address in databases.values():
        if file := sqlite_file(address):
            yield from (file, file.with_name(f"{file.name}-wal"), file.with_name(f"{file.name}-shm"))


def _is_used(folder: Path) -> bool:
    return folder.is_dir() and bool({path.name for path in folder.iterdir()} - _IN_GIT)


def _move_away(root: Path, there: Iterable[Path]) -> Path:
    away = root / f"before-restore-{datetime.now(UTC):%Y-%m-%dT%H-%M-%S}"
    away.mkdir(mode=0o700)
    folders = [root.resolve()]
    for path in there:
        folder = path.parent.resolve()
        if folder not in folders:
            folders.append(folder)
        # Two databases of one name lie in folders of their own, each with SQLite's files beside it.
        place = folders.index(folder)
        # The log of answers may lie on another disk.
        shutil.move(path, away / (f"{place}-{path.name}" if place else path.name))
    return away
