"""What git knows: commits, and the presets as a commit has them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from git import Repo

SHORT_HASH = re.compile(r"[0-9a-f]{4,40}")


@dataclass(frozen=True)
class Commit:
    """A commit of the project; subject and date are None where the repository does not have it."""

    sha: str
    subject: str | None = None
    date: datetime | None = None


def open_repository(root: Path) -> "Repo | None":
    """The git repository around ``root``, if there is one."""
    import git

    try:
        return git.Repo(root, search_parent_directories=True)
    except (git.InvalidGitRepositoryError, git.NoSuchPathError):
        return None


def commits_named(root: Path, name: str) -> list[Commit]:
    """Commits that ``name`` can mean: the start of a hash, a branch, a tag, ``HEAD~2``."""
    import git

    repository = open_repository(root)
    if repository is None or name.startswith("-"):
        return []
    try:
        if SHORT_HASH.fullmatch(name):
            objects = repository.git.rev_parse(f"--disambiguate={name}").split()
            hashes = [sha for sha in objects if repository.git.cat_file("-t", sha) == "commit"]
        else:
            hashes = []
        hashes = hashes or [repository.git.rev_parse("--verify", "--quiet", f"{name}^{{commit}}")]
    except git.GitCommandError:
        return []
    return [_commit(repository, sha) for sha in hashes]


def commit_with_hash(root: Path, sha: str) -> Commit:
    """The commit with this whole hash, as far as the repository knows it."""
    return next(iter(commits_named(root, sha)), Commit(sha))


def presets_at(root: Path, sha: str | None) -> dict[str, Mapping[str, Any]]:
    """Name and content of the presets in a commit; those of the folder where the repository does not have it."""
    texts = _texts_at(root, sha) if sha else {}
    if not texts:
        texts = {path.stem: path.read_text(encoding="utf-8") for path in (root / "presets").glob("*.yaml")}
    return {name: yaml.safe_load(text) for name, text in sorted(texts.items())}


def _texts_at(root: Path, sha: str) -> dict[str, str]:
    import git

    repository = open_repository(root)
    if repository is None or repository.working_tree_dir is None:
        return {}
    top = Path(str(repository.working_tree_dir)).resolve()
    try:
        folder = repository.commit(sha).tree / (root.resolve().relative_to(top) / "presets").as_posix()
    except (git.BadName, git.BadObject, KeyError, ValueError):
        return {}
    files = [blob for blob in folder.blobs if blob.name.endswith(".yaml")]
    return {Path(blob.name).stem: blob.data_stream.read().decode() for blob in files}


def _commit(repository: "Repo", sha: str) -> Commit:
    found = repository.commit(sha)
    return Commit(found.hexsha, str(found.summary), found.committed_datetime)
