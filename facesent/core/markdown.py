"""Markdown that also reads well on a terminal."""

import re
from collections.abc import Iterable, Sequence

from tabulate import tabulate

_SHOWN = 20


class Markdown(str):
    """Text that is markdown already: `table` does not escape it again."""

    __slots__ = ()


def table(headers: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    """A markdown table: columns of numbers are aligned right, floats have four digits, and texts are escaped.

    Args:
        headers: names of the columns.
        rows: the cells; one that is `Markdown` is used as it is.
    """
    names, *cells = ([_cell(value) for value in row] for row in (headers, *rows))
    aligned = ["right" if all(_is_number(row[column]) for row in cells) else "left" for column in range(len(names))]
    # Its own guesses would take a class called 1e5 for a number, and rewrite it.
    written: str = tabulate(cells, names, "pipe", colalign=aligned if cells else None, disable_numparse=True)
    return written


def escaped(text: str) -> Markdown:
    """People's own words on one line of markdown: they make no link, picture, tag, emphasis, cell or line."""
    if isinstance(text, Markdown):
        return text
    harmless = " ".join(text.splitlines()).replace("&", "&amp;").replace("<", "&lt;")
    return Markdown(re.sub(r"[\\`*~\[\]|$]|(?<!\w)_|_(?!\w)", r"\\\g<0>", harmless))


def code(text: str) -> Markdown:
    """People's own words as code on one line, whatever backticks they hold."""
    line = " ".join(text.splitlines())
    fence = "`" * (_longest_run(line) + 1)
    padding = " " if "`" in line else ""
    return Markdown(f"{fence}{padding}{line}{padding}{fence}")


def block(lines: Iterable[str]) -> str:
    """Lines of code, which cannot end the block."""
    text = "\n".join(lines)
    fence = "`" * max(3, _longest_run(text) + 1)
    return f"{fence}\n{text}\n{fence}"


def bullets(lines: Sequence[str]) -> str:
    """A list of the first lines, which are markdown; the others are counted."""
    more = [f"- and {len(lines) - _SHOWN} more, in the JSON file"] if len(lines) > _SHOWN else []
    return "\n".join([*(f"- {line}" for line in lines[:_SHOWN]), *more])


def _longest_run(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)


def _cell(value: object) -> str:
    text = escaped(f"{value:.4g}" if isinstance(value, float) else value if isinstance(value, str) else str(value))
    # In code a bar still ends the cell.
    return re.sub(r"(?<!\\)\|", r"\|", text)


def _is_number(cell: str) -> bool:
    return cell.lstrip("+-").replace(".", "").replace(",", "").rstrip("%").isdigit()
