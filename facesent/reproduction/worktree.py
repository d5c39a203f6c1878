"""A commit checked out beside the project, for as long as it is needed."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING

from facesent.provenance.repository import open_repository
from facesent.reproduction.errors import ReproductionError

if TYPE_CHECKING:
    from git import Repo

_PREFIX = "reproduce-"


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
        if owner.isdigit() and not _alive(int(owner)):
            _remove(repository, folder)


def _alive(pid: int) -> bool:
    with suppress(PermissionError):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
    return True
