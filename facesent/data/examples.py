"""From a split's table to images with their classes."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from facesent.console import progress_of
from facesent.data.images import read_images
from facesent.data.pipeline import Examples, targets_of


def read_split(path: Path) -> pd.DataFrame:
    """Read ``file_name, label, group, sha256``, all as text, also where a class is called NA."""
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def read_examples(data: Path, split: pd.DataFrame, labels: Sequence[str], size: int, name: str) -> Examples:
    """Read the images of a split, in its order.

    Args:
        data: the folder that file names are relative to.
        split: as ``read_split`` gives it.
        labels: the classes.
        size: side of the images in pixels.
        name: of the split, for the progress bar.
    """
    paths = [data / file_name for file_name in split["file_name"]]
    with progress_of(f"Reading {name}") as bar:
        images = read_images(paths, size, progress=bar)
    return Examples(images, targets_of(list(split["label"]), labels))
