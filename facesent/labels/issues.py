"""Which labels are probably wrong, by confident learning on out-of-fold predictions."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from facesent.core.errors import FacesentError
from facesent.core.text import some
from facesent.evaluation.predictions import classes_of, probabilities_of
from facesent.images.rows import PROBABILITY

_TEXT = {"file_name": "str", "label": "str"}
_OFF_ONE = 0.01


class PredictionsError(FacesentError):
    """There are no out-of-fold predictions, or they are not what label issues can be found in."""


def read_predictions(path: Path) -> pd.DataFrame:
    """Read out-of-fold predictions: ``file_name, label`` and ``probability_<Class>`` for each class; a row an image.

    Raises:
        PredictionsError: no such file, a column is missing, an unknown label, an image twice, or rows that are no
            probabilities.
    """
    try:
        table = pd.read_csv(path, dtype=_TEXT, keep_default_na=False, lineterminator="\n")
    except FileNotFoundError:
        raise PredictionsError(
            f"Expected out-of-fold predictions in {path}. Received: no such file. "
            "Run `python -m flows.cross_validation` first."
        ) from None
    except (ValueError, OSError) as error:
        raise PredictionsError(f"Expected a CSV in UTF-8 in {path}. Received: {error}") from None
    if problem := _problem(table):
        raise PredictionsError(f"Expected out-of-fold predictions in {path}: {problem}")
    return table


def find_label_issues(predictions: pd.DataFrame) -> pd.DataFrame:
    """Find images whose given label is probably wrong.

    Confident learning estimates from the probabilities how many images of each class carry which other class's label,
    and picks that many. Source: Northcutt et al., Confident Learning: Estimating Uncertainty in Dataset Labels, 2021,
    as cleanlab implements it.

    Args:
        predictions: as `read_predictions` gives it; each image predicted by a model that was not trained on it.

    Returns:
        ``file_name, given, suggested, confidence`` (probability of the suggested class) and ``self_confidence`` (of the
        given one, which is the label's quality score), the worst first; ties in the order of the names.
    """
    from cleanlab.filter import find_label_issues as issues
    from cleanlab.rank import get_label_quality_scores

    table = predictions.sort_values("file_name", ignore_index=True)
    classes = np.array(classes_of(table))
    probabilities = probabilities_of(table)
    given = pd.Index(classes).get_indexer(table["label"])
    _check_better_than_chance(given, probabilities)
    # One process: the work is milliseconds, and a forked one would copy what the caller holds.
    wrong: NDArray[np.bool_] = issues(given, probabilities, filter_by="prune_by_noise_rate", n_jobs=1)
    # Of cleanlab's scores the one that ranks planted errors best on photos of faces.
    quality: NDArray[np.float64] = get_label_quality_scores(given, probabilities, method="self_confidence")
    found = pd.DataFrame(
        {
            "file_name": table["file_name"],
            "given": table["label"],
            "suggested": classes[probabilities.argmax(axis=1)],
            "confidence": probabilities.max(axis=1),
            "self_confidence": quality,
        }
    )
    return found.loc[wrong].sort_values("self_confidence", kind="stable", ignore_index=True)


def _check_better_than_chance(given: NDArray[np.intp], probabilities: NDArray[np.float64]) -> None:
    """Models that tell nothing apart say nothing about labels either."""
    right, commonest = (
        float((probabilities.argmax(axis=1) == given).mean()),
        float(np.bincount(given).max() / len(given)),
    )
    if right <= commonest:
        raise PredictionsError(
            "Expected predictions that are more accurate than always answering the most common class "
            f"({commonest:.0%}). Received: {right:.0%}. Train the folds for longer, then run "
            "`python -m flows.cross_validation` again."
        )


def summarise(predictions: pd.DataFrame, issues: pd.DataFrame) -> pd.DataFrame:
    """A row a given class: ``label, images, issues`` and ``suggested``, the class suggested most often or ``""``."""
    images = predictions["label"].value_counts().sort_index()
    by_class = {label: rows["suggested"] for label, rows in issues.groupby("given")}
    return pd.DataFrame(
        {
            "label": images.index,
            "images": images.to_numpy(),
            "issues": [len(by_class.get(label, ())) for label in images.index],
            "suggested": [by_class[label].mode().iloc[0] if label in by_class else "" for label in images.index],
        }
    )


def _problem(table: pd.DataFrame) -> str | None:
    classes = classes_of(table)
    if missing := [name for name in _TEXT if name not in table]:
        return f"the columns file_name and label. Received: {some(table.columns)}, without {some(missing)}"
    if len(classes) < 2:
        return f"columns {PROBABILITY}<Class> of at least two classes. Received: {some(classes) or 'none'}"
    if table.empty:
        return "one row per image. Received: no rows"
    if unknown := sorted(set(table["label"]) - set(classes)):
        return f"labels among {', '.join(classes)}. Received: {some(unknown)}"
    if len(twice := table.loc[table["file_name"].duplicated(), "file_name"].unique()):
        return f"each image once. Received twice: {some(list(twice))}"
    return _no_probabilities(table, classes)


def _no_probabilities(table: pd.DataFrame, classes: Sequence[str]) -> str | None:
    values = (
        table[[PROBABILITY + label for label in classes]].apply(pd.to_numeric, errors="coerce").to_numpy(np.float64)
    )
    sound = (values >= 0).all(axis=1) & (np.abs(values.sum(axis=1) - 1) <= _OFF_ONE)
    wrong = list(table.loc[~sound, "file_name"])
    return f"probabilities that add up to 1 in each row. Received: others for {some(wrong)}" if wrong else None
