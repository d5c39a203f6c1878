"""The columns of ``metadata.csv`` that ``evaluate.slices`` names, by whose values the images are cut."""

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from unicodedata import normalize

import pandas as pd

from facesent.core.errors import DataError
from facesent.core.paths import SPLITS, Project
from facesent.core.text import some
from facesent.dataset.files import METADATA
from facesent.dataset.metadata import COLUMNS, parse, read_metadata
from facesent.images.rows import read_split

MOST_VALUES = 12


def check_columns(data: Path, names: Sequence[str]) -> None:
    """Refuse before anything is computed what `read_columns` would refuse after a training.

    Args:
        data: holds ``metadata.csv``.
        names: of the columns.

    Raises:
        DataError: there is no such column, or it has more than ``MOST_VALUES`` values.
    """
    path = data / METADATA
    if names and not path.is_file():
        raise DataError(
            f"Expected the columns of evaluate.slices ({some(names)}) in {path}. Received: no such file. Write it with "
            "the columns file_name, group and these, or set evaluate.slices: [] in params.yaml."
        )
    columns, rows = parse(path) if names else ((), [])
    further = [column for column in columns if column not in COLUMNS]
    for name in names:
        if name not in further:
            alike = {column.lower(): column for column in further}
            near = get_close_matches(name.lower(), alike, n=1)
            meant = f" Did you mean {alike[near[0]]}?" if near else ""
            raise DataError(
                f"Expected another column of {path} in evaluate.slices. Received: {name}.{meant} "
                f"Its columns: {', '.join(further) or 'only ' + ', '.join(columns)}."
            )
        values = sorted({value for row in rows if (value := _value(row[name]))})
        if len(values) > MOST_VALUES:
            raise DataError(
                f"Expected at most {MOST_VALUES} values in the column {name} of {path}, which evaluate.slices names. "
                f"Received: {len(values)}, such as {some(values)}. Put them into bands, such as 18-30."
            )


def read_columns(project: Project, names: Sequence[str], test: pd.DataFrame) -> pd.DataFrame:
    """What the columns say of each test image.

    Args:
        project: whose ``metadata.csv`` and splits.
        names: of the columns; each counts once.
        test: the test split.

    Returns:
        One categorical column a name, a row a test image, in their order. The categories are the values of the images
        of all splits, so that one without a test image is not overlooked; an empty cell is missing.

    Raises:
        DataError: as `check_columns` and ``read_metadata``.
    """
    check_columns(project.data, names)
    table = pd.DataFrame(index=test["file_name"])
    if names:
        images = [
            name for path in map(project.split, SPLITS) if path.is_file() for name in read_split(path)["file_name"]
        ]
        rows = read_metadata(project.data / METADATA, images).rows
        for name in names:
            values = {row["file_name"]: value for row in rows if (value := _value(row[name]))}
            table[name] = pd.Categorical(table.index.map(values.get), sorted(set(values.values())))
    return table


def _value(cell: str) -> str:
    return " ".join(normalize("NFC", cell).split())
