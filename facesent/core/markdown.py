"""Markdown that also reads well on a terminal."""

from collections.abc import Iterable, Sequence

from tabulate import SEPARATING_LINE, DataRow, TableFormat, tabulate

_SHOWN = 20


def table(
    headers: Sequence[str], rows: Iterable[Sequence[object]], *, right: int | None = None, compact: bool = False
) -> str:
    """A markdown table.

    Args:
        headers: one a column.
        rows: of cells; floats are shown with four digits.
        right: the columns from this number on are set to the right; None for those that hold numbers alone.
        compact: without the spaces that give a column one width.
    """
    first, *others = ([_cell(value) for value in row] for row in (headers, *rows))
    if right is None:
        to_right = [all(_is_number(row[column]) for row in others) for column in range(len(first))]
    else:
        to_right = [column >= right for column in range(len(first))]
    text: str = tabulate(
        # tabulate's own headers are two characters wider than they have to be.
        [first, SEPARATING_LINE, *others],
        tablefmt=_COMPACT if compact else _EVEN,
        colalign=["right" if each else "left" for each in to_right],
        disable_numparse=True,
        preserve_whitespace=True,
    )
    return text


def bullets(lines: Sequence[str]) -> str:
    """A list of the first lines; the others are counted."""
    more = [f"- and {len(lines) - _SHOWN} more, in the JSON file"] if len(lines) > _SHOWN else []
    return "\n".join([*(f"- {line}" for line in lines[:_SHOWN]), *more])


def _cell(value: object) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    # A cell is one line.
    return text.replace("|", r"\|").replace("\n", " ")


def _is_number(cell: str) -> bool:
    return cell.replace(".", "").rstrip("%").isdigit()


def _rule(widths: Sequence[int], aligns: Sequence[str], between: str = " | ") -> str:
    dashes = (
        "-" * (width - 1) + (":" if align == "right" else "-") for width, align in zip(widths, aligns, strict=True)
    )
    return between.lstrip() + between.join(dashes) + between.rstrip()


def _short_rule(_widths: Sequence[int], aligns: Sequence[str]) -> str:
    return _rule([3 + (align == "right") for align in aligns], aligns, "|")


def _short_row(cells: Sequence[str], _widths: Sequence[int], _aligns: Sequence[str]) -> str:
    return f"| {' | '.join(map(str.strip, cells))} |"


def _format(rule: object, row: object) -> TableFormat:
    return TableFormat(
        lineabove=None,
        linebelowheader=rule,
        linebetweenrows=None,
        linebelow=None,
        headerrow=row,
        datarow=row,
        padding=0,
        with_header_hide=None,
    )


_EVEN = _format(_rule, DataRow("| ", " | ", " |"))


_COMPACT = _format(_short_rule, _short_row)
