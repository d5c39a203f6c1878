"""What was proposed, for a person to look at: a table of all groups, and pictures of the largest."""

from collections.abc import Collection
from pathlib import Path

import numpy as np
import pandas as pd

from facesent.dataset.metadata import PROPOSED
from facesent.images.reading import read_images
from facesent.labels.contact_sheet import COLUMNS, ROWS, Tile, save_page
from facesent.labels.review import write_table
from facesent.people.proposal import Proposal

_PAGES = 4
_SIDE = 150


def save_pages(proposal: Proposal, data_dir: Path, output: Path, *, hidden: Collection[str]) -> tuple[Path, list[Path]]:
    """Write ``groups.csv``, the largest group first, and pages with a row a group, in place of earlier ones.

    Args:
        proposal: what is shown; of it, groups that are proposed and what joins others.
        data_dir: holds the images.
        output: a folder; is made.
        hidden: classes of which no picture is shown.

    Returns:
        the table and the pages.
    """
    output.mkdir(parents=True, exist_ok=True)
    for earlier in output.glob("groups-[0-9]*.png"):
        earlier.unlink()
    shown = proposal.images.assign(
        new=proposal.images["group"] != proposal.images["before"],
        like_another=proposal.images["file_name"].isin(proposal.bridges),
        size=proposal.images["group"].map(proposal.images["group"].value_counts().to_dict()),
    )
    shown = shown[shown["group"].str.startswith(PROPOSED) | shown["new"]]
    shown = shown.sort_values(["size", "group", "file_name"], ascending=[False, True, True])
    table = output / "groups.csv"
    shown = shown.assign(number=range(1, len(shown) + 1))
    columns = ["number", "group", "size", "file_name", "new", "like_another"]
    write_table(table, columns, shown[columns].itertuples(index=False))
    largest = list(shown["group"].drop_duplicates().head(_PAGES * ROWS))
    rows = [_row(shown[shown["group"] == group], data_dir, hidden) for group in largest]
    pages = []
    for number, start in enumerate(range(0, len(rows), ROWS), 1):
        page = output / f"groups-{number:02}.png"
        save_page([tile for row in rows[start : start + ROWS] for tile in row], "Proposed groups, one per row", page)
        pages.append(page)
    return table, pages


def _row(images: pd.DataFrame, data_dir: Path, hidden: Collection[str]) -> list[Tile | None]:
    """Up to ``COLUMNS`` images of a group from all over it, and the number of each in the table."""
    chosen = images.iloc[np.unique(np.linspace(0, len(images) - 1, COLUMNS).round().astype(int))]
    visible = chosen[~chosen["label"].isin(list(hidden))]
    pictures = dict(
        zip(visible.index, read_images([data_dir / name for name in visible["file_name"]], _SIDE), strict=True)
    )
    tiles: list[Tile | None] = [
        Tile(number, f"{row.group}\n{row.size} images", pictures.get(index))
        for index, number, row in zip(chosen.index, chosen["number"], chosen.itertuples(), strict=True)
    ]
    return tiles + [None] * (COLUMNS - len(tiles))
