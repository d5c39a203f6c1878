"""A run's settings as a file again."""

from collections.abc import Mapping
from typing import Any

import yaml

from facesent.core.nested import flatten, with_values
from facesent.presets import literal

# Its keys have dots in them, and no stage reads it.
_LEFT_ALONE = "sweep.space."


def restored(committed: str, params: Mapping[str, str]) -> str:
    """The settings of a run in the form of its commit's file.

    Args:
        committed: ``params.yaml`` as the commit has it; empty where it has none.
        params: of the run, ``section.key`` to value as text.
    """
    sections: dict[str, Any] = yaml.safe_load(committed) or {}
    before = flatten(sections)
    values = {
        # A hash of digits alone stays text.
        key: text if isinstance(before.get(key), str) else literal(text)
        for key, text in params.items()
        if not key.startswith(_LEFT_ALONE)
    }
    return yaml.safe_dump(with_values(sections, values), sort_keys=False, allow_unicode=True)
