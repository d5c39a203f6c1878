"""A run's settings as a ``params.yaml`` again."""

import ast
from collections.abc import Mapping
from typing import Any

import yaml

# Its keys have dots in them, and no stage reads it.
_LEFT_ALONE = "sweep.space."


def restored(committed: str, params: Mapping[str, str]) -> str:
    """The settings of a run in the form of its commit's file.

    Args:
        committed: ``params.yaml`` as the commit has it; empty where it has none.
        params: of the run, ``section.key`` to value as text.
    """
    sections: dict[str, Any] = yaml.safe_load(committed) or {}
    for name, text in params.items():
        if not name.startswith(_LEFT_ALONE):
            *path, key = name.split(".")
            section = sections
            for part in path:
                section = section.setdefault(part, {})
            section[key] = _value(text, section.get(key))
    return yaml.safe_dump(sections, sort_keys=False, allow_unicode=True)


def _value(text: str, committed: object) -> object:
    # A hash of digits alone stays text.
    if isinstance(committed, str):
        return text
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
