"""What a person means by a version, a run, a commit or an answer."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from facesent.core.errors import LineageError
from facesent.lineage.git import SHORT_HASH, Commit, commit_with_hash, commits_named
from facesent.registry.history import RunRecord, newest_runs, runs_at_commit, runs_with_id_starting
from facesent.registry.versions import Version, versions

Asked = Version | RunRecord | Commit


_SHOWN_RUNS = 3


def find(root: Path, argument: str, read_stdin: Callable[[], str]) -> Asked:
    """What ``argument`` names.

    Tried in this order: a version's number or alias; an answer, as JSON, a file or ``-``; the start of a run's id or
    of a commit's hash, at least four digits of it; any other name that git knows.

    Args:
        root: the project's.
        argument: as given by a person.
        read_stdin: gives the answer that ``-`` stands for.

    Raises:
        LineageError: it is nothing that is known, or more than one thing.
    """
    known = versions()
    if version := next((each for each in known if argument in (str(each.number), *each.aliases)), None):
        return version
    if (answer := _answer(argument, read_stdin)) is not None:
        return _version(answering_version(answer), known)
    found: list[Asked] = [*_runs(argument), *_commits(root, argument)]
    if len(found) == 1:
        return found[0]
    if found:
        listed = "\n".join(f"  {_line(each)}" for each in found)
        raise LineageError(f"Expected one run or commit. Received: {argument}, the start of several:\n{listed}")
    raise LineageError(_unknown(argument, known))


def _answer(argument: str, read_stdin: Callable[[], str]) -> str | None:
    if argument == "-":
        return read_stdin()
    if argument.lstrip().startswith(("{", "[")):
        return argument
    file = Path(argument)
    if not file.is_file():
        return None
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise LineageError(
            f"Expected an answer as JSON. Received: {argument}, which is no text. For a photo itself: "
            f"facesent predict {argument} --json | facesent lineage -"
        ) from None


def _version(number: int, known: Sequence[Version]) -> Version:
    found = next((version for version in known if version.number == number), None)
    if found is None:
        raise LineageError(f"Expected an answer of {_listed(known)}. Received: version {number}")
    return found


def _runs(argument: str) -> list[RunRecord]:
    # MLflow's ids have 32 digits.
    return runs_with_id_starting(argument) if SHORT_HASH.fullmatch(argument) else []


def _commits(root: Path, argument: str) -> list[Commit]:
    """Those of the repository, and those that only a run knows: of another clone, or rewritten since."""
    found = {commit.sha: commit for commit in commits_named(root, argument)}
    if SHORT_HASH.fullmatch(argument):
        for run in runs_at_commit(argument):
            sha = run.tags["git_commit"]
            found.setdefault(sha, commit_with_hash(root, sha))
    return list(found.values())


def _line(found: Asked) -> str:
    if isinstance(found, RunRecord):
        return f"run {found.run_id} {found.name}"
    if isinstance(found, Commit):
        return f"commit {found.sha} {found.subject or ''}".rstrip()
    return f"version {found.number}"


def _unknown(argument: str, known: Sequence[Version]) -> str:
    runs = ", ".join(run.run_id[:8] for run in newest_runs(_SHOWN_RUNS)) or "none yet"
    return (
        "Expected a version, an alias, a run, a commit (four digits or more), or a photo's answer: JSON, a file of it, "
        f"or - for standard input. Received: {argument}\nKnown are {_listed(known)}; newest runs: {runs}."
    )


def _listed(known: Sequence[Version]) -> str:
    if not known:
        return "no versions yet (facesent promote registers one)"
    return "the versions " + ", ".join(
        f"{version.number} ({', '.join(version.aliases)})" if version.aliases else str(version.number)
        for version in reversed(known)
    )


_EXPECTED = "Expected what `facesent predict --json` or the server answered, with the key version."


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
            f"{_EXPECTED} Received: an answer without one. It came from a model file that is no registered version, or "
            "from a version packaged before answers named it."
        )
    if len(versions) > 1:
        listed = ", ".join(sorted(map(str, versions)))
        raise LineageError(f"Expected the answer of one version. Received: answers of {listed}. Give one of them.")
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
        raise LineageError(f"{_EXPECTED} Received: no JSON ({error})") from None


def _answers(value: Any) -> Iterator[dict[str, Any]]:
    """Answers are objects with a label, alone, in a list, or where MLflow's server puts them."""
    if isinstance(value, list):
        for entry in value:
            yield from _answers(entry)
    elif isinstance(value, dict) and "predictions" in value:
        yield from _answers(value["predictions"])
    elif isinstance(value, dict) and "label" in value:
        yield value
