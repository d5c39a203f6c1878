"""Tables with a row an image: how a split's is read, its classes, and names that all of them share."""

from pathlib import Path

import pandas as pd

UNCERTAIN = "uncertain"
"""The answer of a model that is less sure than it was asked to be; no class may be called so."""
PROBABILITY = "probability_"
"""With a class's name after it, the name of the column that has the probabilities of that class."""


def read_split(path: Path) -> pd.DataFrame:
    """Read ``file_name, label, group, sha256``, all as text, also where a class is called NA."""
    # Not at a carriage return: writers put a name that holds one between no quotes.
    return pd.read_csv(path, dtype=str, keep_default_na=False, lineterminator="\n")


def labels_of(rows: pd.DataFrame) -> list[str]:
    """The classes of these images, in the order of a network's outputs."""
    return sorted(rows["label"].unique())
