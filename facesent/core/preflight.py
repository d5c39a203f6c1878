"""What the project needs around it: looked at before work is done, and put right where that is nobody else's matter."""

import fcntl
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from enum import Flag, auto
from importlib.util import find_spec
from pathlib import Path

from facesent.core.environment import BACKENDS
from facesent.core.paths import Project
from facesent.core.project import require_project
from facesent.core.trouble import Trouble, refuse

_WRITTEN = ("dvc.yaml", "dvc.lock", "data.dvc", "params.yaml", "assignment.csv", "soft_targets.csv")
# Of DVC; the second one is this machine's own.
_SETTINGS = (".dvc/config", ".dvc/config.local")
_MARKS = ("<<<<<<< ", ">>>>>>> ")
_NO_REPOSITORY = "not a git repository"
_SECONDS_OF_A_WRITE = 0.2
_SECONDS_OF_GIT = 2.0
# Of Keras, which obeys them in each fit.
_CUTTING = ("KERAS_MAX_EPOCHS", "KERAS_MAX_STEPS_PER_EPOCH")


class Needs(Flag):
    """What a command needs around it, beside a project's folder.

    Attributes:
        REPOSITORY: git and DVC can read the project.
        INDEX: they can write to it, too, in which DVC ends at a warning that is an error.
        NETWORKS: Keras and what it works with can be imported.
        TRAINING: nothing cuts a training short.
    """

    REPOSITORY = auto()
    INDEX = auto()
    NETWORKS = auto()
    TRAINING = auto()


NOTHING = Needs(0)
EVERYTHING = ~NOTHING


def require(root: Path, needs: Needs = EVERYTHING) -> None:
    """Refuse to begin what would fail later; remove what a killed DVC left broken.

    Raises:
        FacesentError: outside a project, or the first of the ``troubles``.
    """
    require_project(root)
    if Needs.REPOSITORY in needs:
        _remove_broken_rwlock(root)
    refuse(troubles(root, needs))


def troubles(root: Path, needs: Needs = EVERYTHING) -> Iterator[Trouble]:
    """What keeps the project in ``root`` from what is needed."""
    if Needs.REPOSITORY in needs:
        yield from _repository_troubles(root)
    if Needs.INDEX in needs:
        yield from index_troubles(root)
    if Needs.TRAINING in needs:
        yield from training_troubles()
    if Needs.NETWORKS in needs:
        yield from backend_troubles()
    if needs & (Needs.INDEX | Needs.NETWORKS):
        yield from python_troubles()


def _repository_troubles(root: Path) -> Iterator[Trouble]:
    yield from git_troubles(root)
    yield from _broken_settings(root)
    yield from _no_repository(root)
    yield from conflicts(root)
    yield from _broken_rwlock(root)
    yield from _linked_images(root)
    yield from _endless_files(root)


def git_troubles(root: Path) -> Iterator[Trouble]:
    """Git is missing, or refuses to read the repository; whether there is one is DVC's matter."""
    if shutil.which("git") is None:
        yield Trouble("git", "not on PATH", "Install it: DVC and the lineage of models need it")
    elif said := _refusal(root):
        if "dubious ownership" in said:
            advice = f"If you trust it: git config --global --add safe.directory '{_repository(root)}'"
            yield Trouble("git", "this checkout belongs to another user", advice)
        elif _NO_REPOSITORY not in said:
            yield Trouble("git", said.partition("\n")[0], "See: git status")


def index_troubles(root: Path) -> Iterator[Trouble]:
    """Git's index cannot be read or written to: DVC adds to it after a stage, and would fail when the work is done."""
    asked = _git(root, "rev-parse", "--git-path", "index")
    if asked is None or asked.returncode:
        return
    index = root / asked.stdout.strip()
    lock = index.with_name("index.lock")
    # Editors hold it for a moment, again and again.
    until = time.monotonic() + _SECONDS_OF_GIT
    while lock.exists() and time.monotonic() < until:
        time.sleep(_SECONDS_OF_GIT / 20)
    if lock.exists():
        what = f"{lock} is there, so that DVC cannot add to the index: another git command runs, or one was killed"
        yield Trouble("git", what, f"If none runs: rm {lock}")
    elif (listed := _git(root, "ls-files", "--", "dvc.yaml")) and listed.returncode:
        yield Trouble("git", listed.stderr.partition("\n")[0], f"Make it anew: rm {index} && git reset")
    elif not os.access(index.parent, os.W_OK):
        what = f"{index.parent} cannot be written to by this user, so that DVC cannot add to the index"
        yield Trouble("git", what, 'Make the checkout this user\'s: sudo chown -R "$USER" .')


def training_troubles() -> Iterator[Trouble]:
    """Variables of Keras, perhaps of another project, that cut trainings short."""
    for name in _CUTTING:
        if os.environ.get(name):
            what = f"cuts every training short, here to {os.environ[name]}"
            yield Trouble(name, what, "Unset it; train.epochs in params.yaml says how long a training is")


def backend_troubles() -> Iterator[Trouble]:
    """The variable of Keras names a backend that is not there."""
    backend = os.environ.get("KERAS_BACKEND") or BACKENDS[0]
    if backend not in BACKENDS or find_spec(backend) is None:
        what = f"expected {', '.join(BACKENDS[:-1])} or {BACKENDS[-1]}, installed. Received: {backend}"
        yield Trouble("KERAS_BACKEND", what, "Unset it to use tensorflow, or install that backend")


def python_troubles() -> Iterator[Trouble]:
    """Python is set to what libraries end at when they are imported: no docstrings, or warnings that are errors."""
    if sys.flags.optimize > 1:
        yield Trouble(
            "PYTHONOPTIMIZE", "expected 0 or 1. Received: 2, without docstrings", "Unset it: unset PYTHONOPTIMIZE"
        )
    given = [option.strip().split(":") for option in os.environ.get("PYTHONWARNINGS", "").split(",")]
    # Actions may be abbreviated; those of a module of one's own hinder nobody.
    if any(action and "error".startswith(action) and not any(fields[2:]) for action, *fields in given):
        what = "expected warnings that end nothing. Received: error, which ends libraries at their imports"
        yield Trouble("PYTHONWARNINGS", what, "Unset it: unset PYTHONWARNINGS")


def _refusal(root: Path) -> str:
    """Why git cannot read the repository; empty where it can."""
    asked = _git(root, "rev-parse", "--git-dir")
    return asked.stderr.strip() if asked and asked.returncode else ""


def _git(root: Path, *arguments: str) -> subprocess.CompletedProcess[str] | None:
    """What git says, in its own words; None where it is not installed."""
    if shutil.which("git") is None:
        return None
    env = {**os.environ, "LC_ALL": "C"}
    return subprocess.run(["git", *arguments], cwd=root, env=env, capture_output=True, text=True, check=False)


def _no_repository(root: Path) -> Iterator[Trouble]:
    if not shutil.which("git") or _NO_REPOSITORY not in _refusal(root) or _says_no_scm(root):
        return
    if (folder := _repository(root) / ".git").is_dir():
        head = os.path.relpath(folder / "HEAD")
        what = f"{os.path.relpath(folder)} is no repository any more, perhaps since a crash"
        yield Trouble("git", what, f"If {head} is empty: echo 'ref: refs/heads/main' > {head}")
    else:
        advice = "Clone the project, or make one: git init && git add --all && git commit --message Start"
        yield Trouble("git", "no repository around this folder, which DVC needs", advice)


def _says_no_scm(root: Path) -> bool:
    files = [root / name for name in _SETTINGS]
    return any("no_scm = true" in file.read_text("utf-8", "replace").lower() for file in files if file.is_file())


def _repository(root: Path) -> Path:
    here = root.resolve()
    return next((folder for folder in (here, *here.parents) if (folder / ".git").exists()), here)


def conflicts(root: Path) -> Iterator[Trouble]:
    """What git left in two versions, as nobody can read it."""
    for name in _WRITTEN:
        file = root / name
        if not file.is_file():
            continue
        with file.open(encoding="utf-8", errors="replace") as lines:
            marked = next((number for number, line in enumerate(lines, 1) if line.startswith(_MARKS)), None)
        if marked:
            ways = f"git checkout --ours {name}` or `--theirs`, or resolve it by hand"
            advice = f"Take one side with `{ways}; then git add {name}"
            yield Trouble(name, f"git's conflict markers, from line {marked}", advice)


def _broken_settings(root: Path) -> Iterator[Trouble]:
    """DVC would not say which file; a merge may have left its marks in one."""
    from configobj import ConfigObj, ConfigObjError

    for name in _SETTINGS:
        file = root / name
        if not file.is_file():
            continue
        try:
            with file.open("rb") as lines:
                ConfigObj(lines, default_encoding="utf-8", raise_errors=True)
        except OSError as error:
            yield Trouble(name, f"expected settings of DVC. Received: {error.strerror}", "Let this user read it")
        except (ConfigObjError, UnicodeDecodeError) as error:
            yield Trouble(name, f"expected settings of DVC. Received: {error}".rstrip("."), "Correct it by hand")


def _remove_broken_rwlock(root: Path) -> None:
    """It lists the files that running DVC commands use: while none runs, nothing is lost with it."""
    folder = root / ".dvc" / "tmp"
    file = folder / "rwlock"
    if _is_json(file):
        return
    with ExitStack() as stack:
        for name in ("lock", "rwlock.lock"):
            lock = stack.enter_context((folder / name).open("a"))
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
        file.unlink(missing_ok=True)
    print(f"Removed {file}, which a killed DVC command had left broken.", file=sys.stderr)


def _broken_rwlock(root: Path) -> Iterator[Trouble]:
    file = root / ".dvc" / "tmp" / "rwlock"
    if _is_json(file):
        return
    # DVC may be writing it just now.
    time.sleep(_SECONDS_OF_A_WRITE)
    if not _is_json(file):
        advice = f"While no DVC command runs, delete it: rm {file}"
        yield Trouble("DVC's lock file", f"{file} is broken, probably by a full disk or a crash", advice)


def _is_json(file: Path) -> bool:
    try:
        return isinstance(json.loads(file.read_text(encoding="utf-8")), dict)
    except FileNotFoundError:
        return True
    except ValueError:
        return False


def _linked_images(root: Path) -> Iterator[Trouble]:
    first = next((path for path in Project(root).data.glob("*/*") if not path.name.startswith(".")), None)
    if first and first.is_symlink() and "/files/md5/" in os.path.realpath(first):
        advice = "Copy or reflink them: dvc config --local cache.type reflink,copy && dvc checkout --relink data.dvc"
        yield Trouble("data/", "symbolic links to DVC's cache, which are refused as links out of the folder", advice)


def _endless_files(root: Path) -> Iterator[Trouble]:
    folders = [str(Project(root).data)]
    while folders:
        with suppress(OSError), os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir():
                    folders += [] if entry.is_symlink() else [entry.path]
                elif not entry.is_file() and Path(entry).exists():
                    what = f"{entry.path!r} is a pipe, a socket or a device, whose end DVC would wait for"
                    yield Trouble("data/", what, "Move it out of the folder")
                    return
