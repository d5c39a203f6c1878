"""Markdown that also reads well on a terminal."""

from collections.abc import Iterable, Sequence

_SHOWN = 20


def table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A markdown table with columns of even width; the first holds names, numbers are set to the right."""
    cells = [[str(cell).replace("|", r"\|") for cell in row] for row in [headers, *rows]]
    widths = [max(3, *(len(row[column]) for row in cells)) for column in range(len(headers))]
    numeric = [
        all(row[column].replace(".", "").rstrip("%").isdigit() for row in cells[1:]) for column in range(len(headers))
    ]
    rule = ["-" * (width - 1) + (":" if right else "-") for width, right in zip(widths, numeric, strict=True)]
    lines = [
        " | ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        )
        for row in [cells[0], rule, *cells[1:]]
    ]
    return "\n".join(f"| {line} |" for line in lines)


def bullets(lines: Sequence[str]) -> str:
    """A list of the first lines; the others are counted."""
    more = [f"- and {len(lines) - _SHOWN} more, in the JSON file"] if len(lines) > _SHOWN else []
    return "\n".join([*(f"- {line}" for line in lines[:_SHOWN]), *more])
