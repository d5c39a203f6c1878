"""The columns of a split's table, and the label that no class may have."""

from pathlib import Path

import pandas as pd


def read_split(path: Path) -> pd.DataFrame:
    """Read ``file_name, label, group, sha256``, all as text, also where a class is called NA."""
    return pd.read_csv(path, dtype=str, keep_default_na=False)


UNCERTAIN = "uncertain"
"""The answer of a model that is less sure than it was asked to be."""
