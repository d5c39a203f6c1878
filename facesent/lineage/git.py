"""What git knows: commits, and the presets as a commit has them."""

import os
import re
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

import psutil

from facesent.core.errors import FacesentError
from facesent.core.preflight import git_troubles
from facesent.presets import presets, whole

if TYPE_CHECKING:
    from git import Repo

SHORT_HASH = re.compile(r"[0-9a-f]{4,40}")
# As many as one command line takes.
_AT_ONCE = 10_000
_DIGITS = 8
# Of the folders that checkouts are in.
_PREFIX = "reproduce-"


class LineageError(FacesentError):
    """What was asked for is not known, or could be several things."""


class ReproductionError(FacesentError):
    """The version's commit, changes, images or stages cannot be had."""


@dataclass(frozen=True)
class Commit:
    """A commit of the project; subject and date are None where the repository does not have it."""

    sha: str
    subject: str | None = None
    date: datetime | None = None


def open_repository(root: Path) -> "Repo | None":
    """The git repository around ``root``; None too where git is missing or refuses to read it, as MLflow knows most."""
    if any(git_troubles(root)):
        return None
    import git

    try:
        return git.Repo(root, search_parent_directories=True)
    except (git.InvalidGitRepositoryError, git.NoSuchPathError):
        return None


def commits_starting(root: Path, prefix: str) -> list[Commit]:
    """Commits whose hash starts with these hex digits, at least four."""
    repository = open_repository(root)
    if repository is None:
        return []
    objects = repository.git.rev_parse(f"--disambiguate={prefix}").split()
    commits = [repository.commit(sha) for sha in objects if repository.git.cat_file("-t", sha) == "commit"]
    return [Commit(found.hexsha, str(found.summary), found.committed_datetime) for found in commits]


def commit_with_hash(root: Path, sha: str) -> Commit:
    """The commit with this whole hash, as far as the repository knows it."""
    return next(iter(commits_starting(root, sha)), Commit(sha))


def commits_naming(root: Path, texts: Collection[str], files: Collection[str]) -> list[str]:
    """The commits in which one of ``files`` of the folder ``root`` holds one of ``texts``, the newest first.

    Returns:
        their short hashes; none where there is no git.
    """
    import git

    if not texts or open_repository(root) is None:
        return []
    here = git.Git(root)
    commits = here.rev_list("--all").split()
    wanted = [word for text in sorted(texts) for word in ("-e", text)]
    found: list[str] = []
    for start in range(0, len(commits), _AT_ONCE):
        some = commits[start : start + _AT_ONCE]
        # Ends with status 1 where there is none.
        found += here.grep("--no-color", "-F", "-l", *wanted, *some, "--", *files, with_exceptions=False).splitlines()
    return list(dict.fromkeys(line[:_DIGITS] for line in found))


def presets_at(root: Path, sha: str | None) -> dict[str, str]:
    """The presets of a commit, as ``presets`` gives them; those of now where the repository does not have it."""
    texts = _texts_at(root, sha) if sha else {}
    return whole(texts) if texts else presets(root)


def _texts_at(root: Path, sha: str) -> dict[str, str]:
    repository = open_repository(root)
    folder = _found_at(repository, root, sha, "presets")
    blobs = folder.blobs if folder else []
    files = [blob for blob in blobs if blob.name.endswith(".yaml") and not blob.name.startswith(".")]
    return {Path(blob.name).stem: _text(blob) for blob in files}


def text_at(root: Path, sha: str, name: str) -> str | None:
    """A file of the folder ``root`` as a commit has it; None where it does not."""
    repository = open_repository(root)
    file = _found_at(repository, root, sha, name)
    return _text(file) if file else None


def _text(file: Any) -> str:
    # A commit may hold anything.
    return str(file.data_stream.read().decode(errors="replace"))


def _found_at(repository: "Repo | None", root: Path, sha: str, name: str) -> Any:
    """A file or a folder of ``root`` as a commit has it, or None; to be read while the repository is there."""
    import git

    if repository is None or repository.working_tree_dir is None:
        return None
    top = Path(str(repository.working_tree_dir)).resolve()
    try:
        return repository.commit(sha).tree / (root.resolve().relative_to(top) / name).as_posix()
    except (git.BadName, git.BadObject, KeyError, ValueError):
        return None


def commit_named(root: Path, ref: str) -> Commit:
    """The commit that a branch, a tag, ``HEAD~1`` or a hash names.

    Raises:
        LineageError: there is none, or no repository.
    """
    import git

    repository = open_repository(root)
    if repository is None:
        raise LineageError(f"Expected a git repository around {root.absolute()}. Received: none")
    try:
        found = repository.commit(ref)
    except (git.BadName, git.BadObject, git.GitCommandError, ValueError, IndexError):
        raise LineageError(
            f"Expected a branch, a tag or a commit of this repository. Received: {ref}. "
            "Fetch it: git fetch --all --tags. See: git log --oneline --all"
        ) from None
    return Commit(found.hexsha, str(found.summary), found.committed_datetime)


def changed_files(root: Path) -> list[str]:
    """Files that git knows, in the whole repository, and that have changed since the last commit."""
    repository = open_repository(root)
    return repository.git.diff("HEAD", "--name-only").splitlines() if repository else []


@dataclass(frozen=True)
class Worktree:
    """A temporary checkout.

    Attributes:
        top: of the repository.
        project: the project's folder in it.
        scratch: holds the checkout and whatever else should vanish with it.
    """

    top: Path
    project: Path
    scratch: Path


@contextmanager
def worktree(root: Path, commit: str) -> Iterator[Worktree]:
    """Check ``commit`` out into a folder of DVC's own under ``root``, which is removed in the end.

    There it is on the disk of the project, so that files can be linked instead of copied, and git and DVC ignore it.

    Raises:
        ReproductionError: the repository does not have the commit.
    """
    repository = open_repository(root)
    if repository is None or repository.working_tree_dir is None:
        raise ReproductionError(f"Expected a git repository around {root.absolute()}. Received: none")
    place = root.absolute() / ".dvc" / "tmp"
    place.mkdir(parents=True, exist_ok=True)
    _remove_what_kills_left(repository, place)
    scratch = Path(mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=place))
    try:
        top = scratch / "project"
        _add(repository, top, commit)
        inside = root.resolve().relative_to(Path(str(repository.working_tree_dir)).resolve())
        yield Worktree(top, top / inside, scratch)
    finally:
        _remove(repository, scratch)


def apply(tree: Worktree, patch: bytes) -> None:
    """Make the changes of ``patch`` in a checkout.

    Raises:
        ReproductionError: it does not fit.
    """
    import git

    file = tree.scratch / "changes.patch"
    file.write_bytes(patch)
    try:
        git.Git(tree.top).apply("--whitespace=nowarn", str(file))
    except git.GitCommandError as error:
        raise ReproductionError(f"Expected the run's changes to fit its commit. Received: {error.stderr}") from None


def _add(repository: "Repo", top: Path, commit: str) -> None:
    import git

    try:
        # A hook of DVC's would check all outputs out.
        repository.git.execute(
            ["git", "-c", f"core.hooksPath={os.devnull}", "worktree", "add", "--quiet", "--detach", str(top), commit]
        )
    except git.GitCommandError as error:
        raise ReproductionError(
            f"Expected commit {commit} in this repository. Received: {error.stderr.strip()}\n"
            "Fetch it (git fetch --all), or run this in the clone where the version was trained."
        ) from None


def _remove(repository: "Repo", scratch: Path) -> None:
    shutil.rmtree(scratch, ignore_errors=True)
    repository.git.worktree("prune")


def _remove_what_kills_left(repository: "Repo", place: Path) -> None:
    for folder in place.glob(f"{_PREFIX}*"):
        owner = folder.name.removeprefix(_PREFIX).partition("-")[0]
        if owner.isdigit() and not psutil.pid_exists(int(owner)):
            _remove(repository, folder)
