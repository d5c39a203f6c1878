"""Label issues as a queue for a person: a table to decide in, and pages of pictures to look at."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from facesent.core.files import sha256
from facesent.dataset.files import image_files, label_of
from facesent.images.reading import read_images
from facesent.labels.contact_sheet import PER_PAGE, Tile, save_page
from facesent.labels.issues import PredictionsError
from facesent.labels.relabel import refuse_to_lose_decisions
from facesent.labels.review import (
    DROP,
    QUEUE_COLUMNS,
    read_record,
    record_of,
    write_table,
)

_SIDE = 150
_DIGITS = 4


@dataclass(frozen=True)
class Queued:
    """What was written, and how many issues were left out because a person had kept the label before."""

    file: Path
    pages: tuple[Path, ...]
    images: int
    kept: int


def write_queue(issues: pd.DataFrame, data_dir: Path, output: Path, *, limit: int, hidden: Collection[str]) -> Queued:
    """Write ``queue.csv`` and its pages into ``output``.

    Args:
        issues: as ``find_label_issues`` gives them.
        data_dir: holds the images.
        output: a folder; is made. A queue that is there is overwritten, unless it holds open decisions.
        limit: images in the queue.
        hidden: classes of which no picture is shown, be the class given or suggested.

    Raises:
        DataError: the queue that is there holds open decisions.
        PredictionsError: an issue is about an image that is not in ``data_dir``.
    """
    file = output / "queue.csv"
    refuse_to_lose_decisions(file, data_dir)
    known = {image.name for image in image_files(data_dir) if not image.refusal}
    if gone := [name for name in issues["file_name"] if name not in known]:
        raise PredictionsError(
            f"Expected predictions for images in {data_dir}. Received: {len(gone)} for others, such as "
            f"{gone[0]}. Run `python -m flows.cross_validation` again."
        )
    hashed = issues.assign(sha256=[sha256(data_dir / name) for name in issues["file_name"]])
    queue = _without_kept(hashed, file)
    kept = len(hashed) - len(queue)
    queue = queue.head(limit).assign(decision="")
    suggestions = zip(queue["given"], queue["suggested"], queue["confidence"], strict=True)
    queue = queue.round(_DIGITS).assign(
        caption=[f"{given}\n→ {suggested} {confidence:.0%}" for given, suggested, confidence in suggestions],
        shown=~queue["given"].isin(list(hidden)) & ~queue["suggested"].isin(list(hidden)),
    )
    pages = save_queue(queue, QUEUE_COLUMNS, data_dir, file, "Given → suggested, most doubtful first")
    return Queued(file, tuple(pages), len(queue), kept)


def save_queue(queue: pd.DataFrame, columns: Sequence[str], data_dir: Path, file: Path, title: str) -> list[Path]:
    """Write the table and, beside it, pages of its pictures, in place of earlier ones; returns the pages.

    Args:
        queue: ``columns``, of which ``number`` is made here; further ``caption`` and ``shown``, whether the picture may
            be.
        columns: of the table.
        data_dir: holds the images.
        file: of the table; its folder is made.
        title: of the pages.
    """
    queue = queue.assign(number=range(1, len(queue) + 1))
    file.parent.mkdir(parents=True, exist_ok=True)
    pages = _save_pages(queue, data_dir, file.parent, title)
    write_table(file, columns, queue[list(columns)].itertuples(index=False))
    return pages


def _without_kept(issues: pd.DataFrame, file: Path) -> pd.DataFrame:
    record = read_record(record_of(file))
    kept = {(row.sha256, label_of(row.new_name)) for row in record if row.decision != DROP}
    looked_at = [pair in kept for pair in zip(issues["sha256"], issues["given"], strict=True)]
    return issues.loc[[not seen for seen in looked_at]]


def _save_pages(queue: pd.DataFrame, data_dir: Path, output: Path, title: str) -> list[Path]:
    for earlier in output.glob("queue-[0-9]*.png"):
        earlier.unlink()
    shown = queue[queue["shown"]]
    pictures = dict(zip(shown["number"], read_images([data_dir / n for n in shown["file_name"]], _SIDE), strict=True))
    tiles = [
        Tile(number, caption, pictures.get(number))
        for number, caption in zip(queue["number"].tolist(), queue["caption"].tolist(), strict=True)
    ]
    pages = []
    count = -(-len(tiles) // PER_PAGE)
    for number in range(1, count + 1):
        path = output / f"queue-{number:02}.png"
        save_page(tiles[(number - 1) * PER_PAGE : number * PER_PAGE], f"{title} (page {number} of {count})", path)
        pages.append(path)
    return pages
