"""Nested values under one name each: ``{"train": {"epochs": 3}}`` is ``train.epochs``."""

from collections.abc import Mapping, MutableMapping
from copy import deepcopy
from typing import Any, TypeVar

Nested = TypeVar("Nested", bound=MutableMapping[str, Any])


def flatten(nested: Mapping[str, Any], separator: str = ".") -> dict[str, Any]:
    """Joined names to values, in their order; an empty mapping has none."""
    flat: dict[str, Any] = {}
    for name, value in nested.items():
        if isinstance(value, Mapping):
            flat |= {f"{name}{separator}{rest}": entry for rest, entry in flatten(value, separator).items()}
        else:
            flat[str(name)] = value
    return flat


def with_values(nested: Nested, values: Mapping[str, Any]) -> Nested:
    """A copy with some values set; a section that is missing, or no section, becomes one.

    Args:
        nested: stays as it is.
        values: by dotted key.
    """
    changed = deepcopy(nested)
    for key, value in values.items():
        *path, name = key.split(".")
        section: MutableMapping[str, Any] = changed
        for part in path:
            if not isinstance(section.get(part), MutableMapping):
                section[part] = {}
            section = section[part]
        section[name] = value
    return changed
