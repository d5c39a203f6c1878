"""What the images must be like before anything is trained on them: the expectations, as data, and the tables they read.

To add one: append a ``Rule`` to one of the functions below; a stock expectation of Great Expectations on a column that
``tables`` has, with a bound from ``params.yaml`` where it needs one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import pandas as pd

from facesent.core.paths import SPLITS
from facesent.dataset.manifest import COLUMNS, CONFLICT
from facesent.dataset.settings import Validate

Severity = Literal["critical", "warning"]
ONE_LABEL = "No image has two labels."
# The tables and the column that names a row of each.
ROW_NAMES = {"images": "file_name", "classes": "label", "dataset": "name"}


@dataclass(frozen=True)
class Rule:
    """One expectation. ``critical`` ones stop the pipeline, ``warning`` ones are shown."""

    table: str
    severity: Severity
    description: str
    type: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    keys: tuple[str, ...] = ()
    """The keys of the section ``validate`` that bound it, the one to change first."""


def rules(classes: Sequence[str], params: Validate) -> list[Rule]:
    """All expectations; where a share of images may differ, ``mostly`` says which share must not."""
    return [*_contract(classes), *_usable(params), *_looks(params), *_balance(params)]


def tables(manifest: pd.DataFrame, classes: Sequence[str]) -> dict[str, pd.DataFrame]:
    """The manifest with the columns that rules need beside it, one row a class, and one row for all."""
    # What is quarantined says nothing about the images that are used.
    sides = manifest[["width", "height"]].where(manifest["ok"])
    images = manifest.assign(
        readable=manifest["phash"].notna(),
        one_label=~manifest["reason"].fillna("").str.startswith(CONFLICT),
        first_of_its_content=~(manifest["ok"] & manifest["sha256"].duplicated()),
        short_side=sides.min(axis=1),
        long_side=sides.max(axis=1),
        aspect_ratio=(sides.max(axis=1) / sides.min(axis=1)).astype("float64").round(3),
    )
    counts = manifest.loc[manifest["ok"], "label"].value_counts().reindex(list(classes), fill_value=0)
    per_class = pd.DataFrame({"label": list(classes), "images": counts.to_numpy()})
    imbalance = float(counts.max() / max(counts.min(), 1))
    return {"images": images, "classes": per_class, "dataset": pd.DataFrame({"name": ["all"], "imbalance": imbalance})}


def _contract(classes: Sequence[str]) -> list[Rule]:
    """What the later stages rely on."""
    among = "expect_column_values_to_be_in_set"
    return [
        _critical("The manifest has all its columns.", "expect_table_columns_to_match_set", column_set=list(COLUMNS),
                  exact_match=False),
        _critical("Each file is listed once.", "expect_column_values_to_be_unique", column="file_name"),
        _critical("Each image has a label.", "expect_column_values_to_not_be_null", column="label"),
        _critical("Each label is the name of a class folder.", among, column="label", value_set=list(classes)),
        _critical("A split that metadata.csv gives is train, val or test.", among, column="split",
                  value_set=list(SPLITS)),
    ]  # fmt: skip


def _usable(params: Validate) -> list[Rule]:
    """Whether enough files can be used; each that cannot is also named by a warning."""
    holds = "expect_column_values_to_be_in_set"
    return [
        _critical("Few images are quarantined.", holds, ("max_quarantined",), column="ok", value_set=[True],
                  mostly=1 - params.max_quarantined),
        _warning("Each file can be read as an image.", holds, column="readable", value_set=[True]),
        _warning(ONE_LABEL, holds, column="one_label", value_set=[True]),
        _critical("Few images are exact duplicates.", holds, ("max_duplicates",), column="first_of_its_content",
                  value_set=[True], mostly=1 - params.max_duplicates),
    ]  # fmt: skip


def _looks(params: Validate) -> list[Rule]:
    """Sizes tolerate as many exceptions as the quarantine does, so that one odd file stops nobody."""
    between, tolerant = "expect_column_values_to_be_between", 1 - params.max_quarantined
    return [
        _critical("Hardly any images are too small.", between, ("min_side", "max_quarantined"), column="short_side",
                  min_value=params.min_side, mostly=tolerant),
        _critical("Hardly any images are too large.", between, ("max_side", "max_quarantined"), column="long_side",
                  max_value=params.max_side, mostly=tolerant),
        _warning("No image is extremely narrow.", between, ("max_aspect_ratio",), column="aspect_ratio",
                 max_value=params.max_aspect_ratio),
        _warning("Few images are nearly black or nearly white.", between,
                 ("max_extreme_brightness", "min_brightness", "max_brightness"), column="brightness",
                 min_value=params.min_brightness, max_value=params.max_brightness,
                 mostly=1 - params.max_extreme_brightness),
    ]  # fmt: skip


def _balance(params: Validate) -> list[Rule]:
    """Enough of each class. Class weights make up for imbalance, so that it is worth a word but not a stop."""
    return [
        _critical("There are at least two classes.", "expect_table_row_count_to_be_between", table="classes",
                  min_value=2),
        _critical("Each class folder has enough usable images.", "expect_column_values_to_be_between",
                  ("min_images_per_class",), table="classes", column="images", min_value=params.min_images_per_class),
        _warning("The largest class is not many times as large as the smallest.", "expect_column_max_to_be_between",
                 ("max_imbalance",), table="dataset", column="imbalance", max_value=params.max_imbalance),
    ]  # fmt: skip


def _critical(description: str, kind: str, keys: tuple[str, ...] = (), table: str = "images", **arguments: Any) -> Rule:
    return Rule(table, "critical", description, kind, arguments, keys)


def _warning(description: str, kind: str, keys: tuple[str, ...] = (), table: str = "images", **arguments: Any) -> Rule:
    return Rule(table, "warning", description, kind, arguments, keys)
