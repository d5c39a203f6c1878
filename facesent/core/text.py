"""Names as people read them."""

from collections.abc import Iterable

_SHOWN = 5


def some(names: Iterable[str]) -> str:
    """The first names, and how many more there are."""
    names = list(names)
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def printable(name: str) -> str:
    """A name that can be written as UTF-8; bytes that are none are shown as escapes."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")
