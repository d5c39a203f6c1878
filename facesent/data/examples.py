"""From a split's table to images with their classes."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from facesent.console import progress_of
from facesent.data.decoded import decoded_files
from facesent.data.images import read_images
from facesent.data.pipeline import Examples, TrainingExamples, targets_of


def read_split(path: Path) -> pd.DataFrame:
    """Read ``file_name, label, group, sha256``, all as text, also where a class is called NA."""
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def read_examples(
    data: Path, split: pd.DataFrame, labels: Sequence[str], size: int, name: str, *, spill: Path | None = None
) -> Examples:
    """Read the images of a split as they are scored, in its order.

    Args:
        data: the folder that file names are relative to.
        split: as ``read_split`` gives it.
        labels: the classes.
        size: side of the images in pixels.
        name: of the split, for the progress bar.
        spill: folder on a disk for what does not fit in memory; by default the system's for temporary files.
    """
    with progress_of(f"Reading {name}") as bar:
        images = read_images(_paths(data, split), size, spill=spill, progress=bar)
    return Examples(images, targets_of(list(split["label"]), labels))


def training_examples(
    data: Path, split: pd.DataFrame, labels: Sequence[str], size: int, *, spill: Path | None = None
) -> TrainingExamples:
    """The images of a split as they are augmented, in its order; each is read when it is first used.

    The arguments are those of ``read_examples``.
    """
    images = decoded_files(_paths(data, split), size, spill=spill)
    return TrainingExamples(images, targets_of(list(split["label"]), labels))


def _paths(data: Path, split: pd.DataFrame) -> list[Path]:
    return [data / file_name for file_name in split["file_name"]]
