"""Measures as tables that people read."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

import pandas as pd

from facesent.core.markdown import escaped, table
from facesent.core.text import cell
from facesent.evaluation.behaviour import Behaviour
from facesent.evaluation.examination import Answered, Examination
from facesent.evaluation.gaps import LEAST_PEOPLE, ColumnResult
from facesent.evaluation.intervals import Estimate
from facesent.evaluation.measures import Measures
from facesent.evaluation.settings import Reference
from facesent.images.rows import UNCERTAIN


def class_table(measures: Measures) -> pd.DataFrame:
    """Precision, recall, F1 and support; a row a class. For a file that people open in a spreadsheet."""
    rows = [{"label": cell(label), **vars(values)} for label, values in measures.classes.items()]
    return pd.DataFrame(rows)


def headline(splits: Mapping[str, Measures]) -> dict[str, dict[str, float]]:
    """The few measures by split that ``dvc metrics diff`` shows, to four decimals; ``metrics.json`` has all."""
    shown = (
        "accuracy", "accuracy_low", "accuracy_high", "macro_recall", "macro_recall_low", "macro_recall_high",
        "worst_recall", "ece", "log_loss",
    )  # fmt: skip
    of_test = {name: round(float(getattr(splits["test"], name)), 4) for name in shown}
    others = {name: {"accuracy": round(measures.accuracy, 4)} for name, measures in splits.items() if name != "test"}
    return {"test": of_test, **others}


def headline_of_slices(columns: Iterable[ColumnResult]) -> dict[str, dict[str, dict[str, float]]]:
    """Of each column's gap the same: empty without columns."""
    gaps = {
        column.name: {"gap": round(gap.value, 4), "gap_low": round(gap.low, 4), "gap_high": round(gap.high, 4)}
        for column in columns
        if (gap := column.gap)
    }
    return {"slices": gaps} if gaps else {}


def slices_dict(columns: Iterable[ColumnResult]) -> dict[str, dict[str, Any]]:
    """The columns as plain values by name, for JSON."""
    return {
        column.name: {
            "gap": asdict(column.gap) if column.gap else None,
            "values": {value.name: asdict(value) for value in column.values},
        }
        for column in columns
    }


def slices_markdown(columns: Iterable[ColumnResult]) -> str:
    """A table and a sentence a column."""
    return "".join(f"\n{_column_table(column)}\n\n{gap_sentence(column)}\n" for column in columns)


def _column_table(column: ColumnResult) -> str:
    rows = (
        (
            value.name,
            value.people,
            value.accuracy.images,
            *map(_estimate, (value.accuracy, value.macro_recall)),
            value.finding,
        )
        for value in column.values
    )
    headers = (column.name, "people", "images", "accuracy", "macro recall", "compared with all")
    return table(headers, rows)


def _estimate(estimate: Estimate | None) -> str:
    return f"{estimate.value:.1%} ({estimate.low:.1%} to {estimate.high:.1%})" if estimate else "too few"


def gap_sentence(column: ColumnResult) -> str:
    """What is known of how far the values are apart, as markdown."""
    name, gap = escaped(column.name), column.gap
    if gap is None:
        return f"Fewer than two values of {name} have {LEAST_PEOPLE} people, so the gap between them is not known."
    return (
        f"By {name}, accuracy differs by {gap.value:.1%} between {escaped(gap.worst)} and {escaped(gap.best)} "
        f"({gap.low:.1%} to {gap.high:.1%}, accounting for all pairs of values)."
    )


def comparison_markdown(splits: Mapping[str, Measures], reference: Reference | None = None) -> str:
    """Accuracy of each split; beside it the reference's, if the images are its own."""
    known = reference.accuracy if reference else {}
    rows = [
        [name, m.images, f"{m.accuracy:.2%}", f"{m.accuracy_low:.2%} to {m.accuracy_high:.2%}"]
        + ([f"{known[name]:.2f}%" if name in known else ""] if reference else [])
        for name, m in splits.items()
    ]
    headers = ["split", "images", "accuracy", "interval", *(["reference"] if reference else [])]
    return table(headers, rows) + "\n"


def evaluation_markdown(splits: Mapping[str, Measures], test: Examination, reference: Reference | None = None) -> str:
    """The whole result: comparison, test measures, calibration, behaviour, classes."""
    m = test.measures
    summary = (
        f"Test: macro recall {m.macro_recall:.3f} ({m.macro_recall_low:.3f} to {m.macro_recall_high:.3f}), "
        f"macro F1 {m.macro_f1:.3f}, log loss {m.log_loss:.3f}."
    )
    parts = [comparison_markdown(splits, reference), summary, "", _calibration(test)]
    if test.answered:
        parts += ["", _answered(test.answered)]
    return "\n".join([*parts, "", *_behaviour(test.behaviour), "", _classes(m), ""])


def _calibration(test: Examination) -> str:
    before, after = test.uncalibrated, test.measures
    return (
        f"Calibration: temperature {test.temperature:.3f}; ECE {before.ece:.3f} at temperature 1, {after.ece:.3f} as "
        f"answered (debiased {before.ece_debiased:.3f} and {after.ece_debiased:.3f}; perfect probabilities would show "
        f"{after.ece_noise:.3f} on {after.images} images); log loss {before.log_loss:.3f} and {after.log_loss:.3f}."
    )


def _answered(answered: Answered) -> str:
    return (
        f"With confidence of at least {answered.min_confidence:g}, {answered.coverage:.1%} of the images are answered, "
        f"with accuracy {answered.accuracy:.1%}; the others are {UNCERTAIN!r}."
    )


def _behaviour(behaviour: Behaviour) -> list[str]:
    rows = ((change, f"{share:.1%}") for change, share in behaviour.kept.items())
    lines = [table(("changed image", "same answer"), rows)]
    if smile := behaviour.smile:
        lines += [
            "",
            f"Covering the mouth changes the mean confidence in a smile from {smile.confidence:.3f} to "
            f"{smile.confidence_covered:.3f} ({smile.images} images).",
        ]
    return lines


def _classes(measures: Measures) -> str:
    rows = (
        (label, f"{m.precision:.3f}", f"{m.recall:.3f}", f"{m.f1:.3f}", m.support)
        for label, m in measures.classes.items()
    )
    return table(("class", "precision", "recall", "F1", "images"), rows)
