"""A run's settings as what differs from a preset."""

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from pydantic import ValidationError

from facesent.params import Params


@dataclass(frozen=True)
class Change:
    """One setting that is not the preset's; None for one that the preset, or the run, does not have."""

    key: str
    preset: str | None
    run: str | None


@dataclass(frozen=True)
class Settings:
    """The nearest preset and what differs from it."""

    preset: str
    changes: tuple[Change, ...]


def nearest_preset(params: Mapping[str, str], presets: Mapping[str, Mapping[str, Any]]) -> Settings | None:
    """Compare a run's settings with presets.

    Args:
        params: ``section.key`` to value, as text.
        presets: name to sections and keys, as the file has them; of another release they may have other keys.

    Returns:
        the preset with the fewest differences, the first of equals; None without presets or settings.
    """
    if not params:
        return None
    compared = (Settings(name, differences(_flat_preset(preset), params)) for name, preset in presets.items())
    return min(compared, key=lambda settings: len(settings.changes), default=None)


def differences(preset: Mapping[str, str], run: Mapping[str, str]) -> tuple[Change, ...]:
    """What differs between two tables of settings; 1 and 1.0 are the same."""
    keys = dict.fromkeys((*preset, *run))
    changes = (Change(key, preset.get(key), run.get(key)) for key in keys)
    return tuple(change for change in changes if _value(change.preset) != _value(change.run))


def _flat_preset(preset: Mapping[str, Any]) -> dict[str, str]:
    try:
        return {key: str(value) for key, value in Params.model_validate(preset).flat().items()}
    except ValidationError:
        return _flat(preset)


def _flat(sections: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """``section.key`` to value as text."""
    entries: dict[str, str] = {}
    for key, value in sections.items():
        name = f"{prefix}{key}"
        entries |= _flat(value, f"{name}.") if isinstance(value, Mapping) else {name: str(value)}
    return entries


def _value(text: str | None) -> object:
    try:
        return ast.literal_eval(text) if text is not None else _ABSENT
    except (ValueError, SyntaxError):
        return text


_ABSENT = object()


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
            section[key] = _literal(text, section.get(key))
    return yaml.safe_dump(sections, sort_keys=False, allow_unicode=True)


def _literal(text: str, committed: object) -> object:
    # A hash of digits alone stays text.
    if isinstance(committed, str):
        return text
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
