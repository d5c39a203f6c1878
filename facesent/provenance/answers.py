"""Which version gave an answer."""

import json
from collections.abc import Iterator
from typing import Any

from facesent.provenance.errors import LineageError

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
