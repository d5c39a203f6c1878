"""A commit beside the project's folder: what differs in settings, images and measures."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from facesent.core.nested import flatten
from facesent.core.paths import Project
from facesent.lineage.git import Commit, LineageError, changed_files, commit_named, text_at
from facesent.presets import Change, differences
from facesent.section import parse_yaml, read_yaml

# It changes with each run, on another machine even where nothing else did.
_WRITTEN_BY_DVC = "dvc.lock"


@dataclass(frozen=True)
class Measure:
    """A measure that differs; None where one side does not have it."""

    name: str
    before: float | None
    now: float | None


@dataclass(frozen=True)
class Compared:
    """What differs between a commit and the folder.

    Attributes:
        ref: the commit's name, as it was asked for.
        commit: the commit.
        here: the folder's own commit, and whether people have changed files since.
        settings: those that differ, the commit's value first.
        other_images: whether the commit's ``data.dvc`` is another one: the test images may be others as well.
        measures: those that differ.
        same: how many measures do not differ.
        stale: stages that have to run before the folder's measures are those of its settings, code and images.
    """

    ref: str
    commit: Commit
    here: tuple[Commit, bool]
    settings: tuple[Change, ...]
    other_images: bool
    measures: tuple[Measure, ...]
    same: int
    stale: tuple[str, ...]


def compare(project: Project, ref: str) -> Compared:
    """Compare a commit with the folder.

    Args:
        project: in a git and DVC repository.
        ref: a branch, a tag or a commit.

    Raises:
        LineageError: there is no such commit, one of the two has no settings, or the measures of one cannot be had.
    """
    root = project.root
    commit, head = commit_named(root, ref), commit_named(root, "HEAD")
    settings = _settings_at(root, commit.sha, ref)
    shown, stale = _asked_of_dvc(root, commit.sha)
    before, now = _measures_of(shown, commit.sha, ref), _measures_here(shown)
    names = dict.fromkeys((*before, *now))
    differing = [name for name in names if before.get(name) != now.get(name)]
    return Compared(
        ref=ref,
        commit=commit,
        here=(head, any(Path(name).name != _WRITTEN_BY_DVC for name in changed_files(root))),
        settings=differences(settings, _flat(read_yaml(project.params))),
        other_images=text_at(root, commit.sha, project.data_pointer.name) != _text(project.data_pointer),
        measures=tuple(Measure(name, before.get(name), now.get(name)) for name in differing),
        same=len(names) - len(differing),
        stale=stale,
    )


def _settings_at(root: Path, sha: str, ref: str) -> dict[str, Any]:
    text = text_at(root, sha, "params.yaml")
    if text is None:
        raise LineageError(f"Expected params.yaml in {ref}. Received: a commit without it. Give a later one.")
    try:
        return _flat(parse_yaml(text))
    except yaml.YAMLError as error:
        said = " ".join(str(error).split())
        raise LineageError(f"Expected YAML in params.yaml of {ref}. Received: {said}. Give another commit.") from None


def _flat(settings: Any) -> dict[str, Any]:
    return flatten(settings) if isinstance(settings, Mapping) else {}


def _asked_of_dvc(root: Path, sha: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What DVC says of the measures of a commit and of the folder, and which stages are out of date in the folder."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(str(root)) as repo:
            shown: dict[str, Any] = repo.metrics.show(revs=[sha], hide_workspace=False)
            stale = tuple(name for name in repo.status() if not name.endswith(".dvc"))
    except DvcException as error:
        raise LineageError(f"Expected an answer of DVC. Received: {error}. See: dvc status") from None
    return shown, stale


def _measures_of(shown: Mapping[str, Any], sha: str, ref: str) -> dict[str, float]:
    found, missing = _read(shown.get(sha, {}))
    if missing or not found:
        raise LineageError(
            f"Expected the outputs of {ref} in DVC's cache. Received: no {missing or 'measures in its dvc.lock'}. "
            "Fetch them from the remote: dvc fetch --all-commits. If nobody pushed them: "
            f"git checkout {ref} && dvc repro, commit dvc.lock, and come back"
        )
    return found


def _measures_here(shown: Mapping[str, Any]) -> dict[str, float]:
    found, missing = _read(shown.get("workspace", {}))
    if missing or not found:
        raise LineageError(
            f"Expected the outputs of this folder. Received: no {missing or 'measures'}. "
            "Make them: dvc repro, or get them: dvc pull"
        )
    return found


def _read(answer: Mapping[str, Any]) -> tuple[dict[str, float], str]:
    """The numbers in all files of DVC's answer, and the first file that it could not read."""
    found: dict[str, float] = {}
    for path, held in answer.get("data", {}).items():
        if "data" not in held:
            return {}, path
        found |= {name: value for name, value in flatten(held["data"]).items() if isinstance(value, int | float)}
    return found, ""


def _text(file: Path) -> str | None:
    return file.read_text(encoding="utf-8") if file.is_file() else None
