"""Markdown that also reads well on a terminal."""

import re
from collections.abc import Iterable, Sequence

from tabulate import tabulate

_SHOWN = 20


def table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A markdown table; columns that hold numbers alone are set to the right, floats shown with four digits."""
    first, *others = ([_cell(value) for value in row] for row in (headers, *rows))
    aligned = ["right" if all(_is_number(row[column]) for row in others) else "left" for column in range(len(first))]
    # Its own guesses would take a class called 1e5 for a number, and write it anew.
    written: str = tabulate(others, first, "pipe", colalign=aligned if others else None, disable_numparse=True)
    return written


def escaped(text: str) -> str:
    """People's own words on a line of markdown: no link, picture, tag or emphasis comes of them."""
    harmless = text.replace("&", "&amp;").replace("<", "&lt;")
    return re.sub(r"[\\`*~\[\]]|(?<!\w)_|_(?!\w)", r"\\\g<0>", harmless)


def bullets(lines: Sequence[str]) -> str:
    """A list of the first lines; the others are counted."""
    more = [f"- and {len(lines) - _SHOWN} more, in the JSON file"] if len(lines) > _SHOWN else []
    return "\n".join([*(f"- {line}" for line in lines[:_SHOWN]), *more])


def _cell(value: object) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    # A cell is one line.
    return text.replace("|", r"\|").replace("\n", " ")


def _is_number(cell: str) -> bool:
    return cell.lstrip("+-").replace(".", "").replace(",", "").rstrip("%").isdigit()
