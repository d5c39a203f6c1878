"""Names as people read them."""

from collections.abc import Iterable
from unicodedata import normalize

_SHOWN = 5
# What a spreadsheet takes for the beginning of a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def some(names: Iterable[str]) -> str:
    """The first names, and how many more there are."""
    names = list(names)
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def printable(name: str) -> str:
    """A name that can be written as UTF-8; bytes that are none are shown as escapes."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def folded(name: str) -> str:
    """Equal for names that are one file to macOS or Windows."""
    return normalize("NFC", name).casefold()


def cell(text: str) -> str:
    """Text for a cell of a table that people open in a spreadsheet: what would be a formula gets a ``'`` in front."""
    return f"'{text}" if text.lstrip("'").startswith(_FORMULA) else text


def cell_text(cell: str) -> str:
    """The text that `cell` was given."""
    return cell[1:] if cell.startswith("'") and cell.lstrip("'").startswith(_FORMULA) else cell
