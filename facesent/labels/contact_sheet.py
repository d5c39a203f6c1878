"""Pages of small numbered pictures with a caption each, drawn without a screen; equal input gives equal bytes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from facesent.evaluation.plots import default_style, save_figure
from facesent.images.reading import Pixels

COLUMNS, ROWS = 8, 5
PER_PAGE = COLUMNS * ROWS
_GREY = 212
_INK = "#1b2a41"
_TILE = 1.3  # inches
_CAPTION = 0.42


@dataclass(frozen=True)
class Tile:
    """One place on a sheet.

    Attributes:
        number: by which people find the image in a table.
        caption: one or two lines.
        picture: RGB ``(side, side, 3)``, 0..255; None for a grey tile with the number alone.
    """

    number: int
    caption: str
    picture: Pixels | None


@default_style()
def save_page(tiles: Sequence[Tile | None], title: str, path: Path) -> None:
    """Draw up to ``PER_PAGE`` tiles, row by row, as a PNG; None leaves a place empty.

    Raises:
        ValueError: more tiles than a page holds.
    """
    if len(tiles) > PER_PAGE:
        raise ValueError(f"Expected at most {PER_PAGE} tiles. Received: {len(tiles)}")
    rows = max(1, -(-len(tiles) // COLUMNS))
    height = rows * (_TILE + _CAPTION) + _CAPTION
    figure = Figure(figsize=(COLUMNS * _TILE, height))
    figure.text(0.5, 1 - _CAPTION / 2 / height, title, ha="center", va="center", fontsize=11, color=_INK)
    for index, tile in enumerate(tiles):
        row, column = divmod(index, COLUMNS)
        bottom = height - _CAPTION - (row + 1) * (_TILE + _CAPTION) + _CAPTION
        if tile:
            _draw(figure, tile, left=column / COLUMNS, bottom=bottom / height, height=_TILE / height)
    save_figure(figure, path)


def _draw(figure: Figure, tile: Tile, *, left: float, bottom: float, height: float) -> None:
    margin = 0.04 / COLUMNS
    axes = figure.add_axes((left + margin, bottom, 1 / COLUMNS - 2 * margin, height))
    axes.set_axis_off()
    if tile.picture is None:
        axes.imshow(np.full((1, 1, 3), _GREY, dtype=np.uint8))
        axes.text(0.5, 0.5, str(tile.number), transform=axes.transAxes, ha="center", va="center", fontsize=20)
    else:
        axes.imshow(tile.picture)
        axes.text(
            0.03, 0.97, str(tile.number), transform=axes.transAxes, ha="left", va="top", fontsize=8, color="white",
            bbox={"facecolor": _INK, "edgecolor": "none", "pad": 1.5},
        )  # fmt: skip
    axes.text(0.5, -0.03, tile.caption, transform=axes.transAxes, ha="center", va="top", fontsize=6.5, color=_INK)
