"""What a person means by a version, a run, a commit or an answer."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from facesent.lineage.git import SHORT_HASH, Commit, LineageError, commit_with_hash, commits_starting
from facesent.registry.history import RunRecord, runs_at_commit, runs_with_id_starting
from facesent.registry.lineage import COMMIT_TAG
from facesent.registry.versions import RegistryError, Version, version_named

Resolved = Version | RunRecord | Commit
_EXPECTED = "Expected what `facesent predict --json` or the server answered, with the key version."


def resolve(root: Path, argument: str, read_stdin: Callable[[], str]) -> Resolved:
    """What ``argument`` names.

    Tried in this order: ``-``, an answer as JSON; a version's number or alias; the start of a run's id or of a commit's
    hash, at least four digits of it.

    Args:
        root: the project's.
        argument: as given by a person.
        read_stdin: gives the answer that ``-`` stands for.

    Raises:
        LineageError: it is nothing that is known, or more than one thing.
        RegistryError: the answer's version is not registered.
    """
    if argument == "-":
        return version_named(str(answering_version(read_stdin())))
    try:
        return version_named(argument)
    except RegistryError as error:
        unknown = error
    found: list[RunRecord | Commit] = []
    if SHORT_HASH.fullmatch(argument):
        found = [*runs_with_id_starting(argument), *_commits(root, argument)]
    if len(found) == 1:
        return found[0]
    if found:
        raise LineageError(f"Expected one run or commit. Received: {argument}, the start of {_listed(found)}")
    raise LineageError(
        f"{unknown}, which is not a run or commit either (give at least four digits). For a photo: "
        "facesent predict PHOTO --json | facesent lineage -"
    )


def _commits(root: Path, prefix: str) -> list[Commit]:
    """Those of the repository, and those that only a run knows: of another clone, or rewritten since."""
    found = {commit.sha: commit for commit in commits_starting(root, prefix)}
    for run in runs_at_commit(prefix):
        sha = run.tags[COMMIT_TAG]
        found.setdefault(sha, commit_with_hash(root, sha))
    return [*found.values()]


def _listed(found: Sequence[RunRecord | Commit]) -> str:
    return ", ".join(f"run {each.run_id}" if isinstance(each, RunRecord) else f"commit {each.sha}" for each in found)


def answering_version(text: str) -> int:
    """The version that gave an answer.

    Args:
        text: a line of ``facesent predict --json``, several of them, or the body of the server's answer.

    Raises:
        LineageError: it is no answer, no registered version gave it, or several did.
    """
    versions = {entry.get("version") for answer in _parsed(text) for entry in _answers(answer)}
    if not versions:
        raise LineageError(f"{_EXPECTED} Received: {text.strip()[:80]!r}")
    if versions == {None}:
        raise LineageError(
            f"{_EXPECTED} Received: an answer without one. It came from a model file that is not a registered version, "
            "or from an old version whose answers do not name it."
        )
    if len(versions) > 1:
        listed = ", ".join(sorted(map(str, versions)))
        raise LineageError(f"Expected answers from one version. Received: answers from {listed}. Give one of them.")
    [version] = versions
    try:
        return int(str(version))
    except ValueError:
        raise LineageError(f"{_EXPECTED} Received: version {version!r}") from None


def _parsed(text: str) -> list[Any]:
    try:
        return [json.loads(text)]
    except json.JSONDecodeError:
        pass
    try:
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    except json.JSONDecodeError as error:
        raise LineageError(f"{_EXPECTED} Received: invalid JSON ({error})") from None


def _answers(value: Any) -> Iterator[dict[str, Any]]:
    """Answers are objects with a label, alone, in a list, or where MLflow's server puts them."""
    if isinstance(value, list):
        for entry in value:
            yield from _answers(entry)
    elif isinstance(value, dict) and "predictions" in value:
        yield from _answers(value["predictions"])
    elif isinstance(value, dict) and "label" in value:
        yield value
