"""The gate: what a candidate must reach before it is served."""

from collections.abc import Iterator, Sequence
from textwrap import shorten

from facesent.core.text import some
from facesent.evaluation.gaps import LEAST_PEOPLE, ColumnResult
from facesent.evaluation.measures import Measures
from facesent.promotion.canary.report import CanaryReport
from facesent.promotion.rivals import ComparedChampion, Criterion, Incomparable, Rival, criterion_for
from facesent.promotion.settings import Gate
from facesent.promotion.verdict import Bound, Check, Outcome, Unit, Verdict, interval_of

_THRESHOLDS = (
    "min_accuracy", "min_macro_recall", "min_class_recall", "max_ece", "max_slice_gap", "min_gain", "max_latency_ms",
    "max_size_mb", "max_memory_mb",
)  # fmt: skip
_PROBLEMS_SHOWN = 3
# Of the reason, which is a sentence; the table has all.
_FAILURES_SHOWN = 3
_NOTE_LENGTH = 500


def verdict_of(
    candidate: int,
    measures: Measures | None,
    rival: Rival,
    canary: CanaryReport,
    settings: Gate,
    columns: Sequence[ColumnResult] = (),
) -> Verdict:
    """Hold a candidate against the thresholds, and against the champion where another model is served.

    A failed check rejects, whatever else is unknown. A champion is replaced only by what beats it: the gain in macro
    recall is above 0, the lower end of its interval above ``min_gain`` where that is set, and no class is worse beyond
    its own interval. Where an alarm has led to the candidate, a gain on the photos from after the change is enough if
    the loss on the others is within ``retrain_margin``. A gap between slices that is shown neither to be above
    ``max_slice_gap`` nor below it leaves the verdict open: nothing failed, but nothing was shown either.

    Args:
        candidate: the candidate's version.
        measures: on the test images; None where there are none.
        rival: the champion; None where none is served.
        canary: what the real server with the candidate gave.
        settings: what is asked for.
        columns: those of ``evaluate.slices``, at the gate's level.

    Raises:
        ValueError: if the canary is of another version.
    """
    if canary.version != candidate:
        raise ValueError(f"Expected the canary of version {candidate}. Received: that of version {canary.version}.")
    criterion = criterion_for(rival, settings)
    served, budgets = _served(canary), list(_budgets(canary, settings))
    quality = [*(_floors(measures, settings) if measures else ()), *_gaps(columns, settings), *criterion.checks()]
    open_points = [*_open_points(measures, settings), *_open_gaps(columns, settings)]
    # What cannot be served comes before what is not good enough.
    checks = [served, *quality, *budgets]
    outcome, reason = _outcome(checks, [*open_points, *_incomparable(rival)], criterion)
    incomparable = outcome == "UNKNOWN" and not open_points
    if incomparable:
        reason += " To serve it anyway: facesent promote --replace-incomparable"
    return Verdict(
        outcome,
        reason,
        candidate,
        rival.version if rival else None,
        (*quality, served, *budgets),
        incomparable=incomparable,
        comparison=rival.comparison if isinstance(rival, ComparedChampion) else None,
        champion_accuracy=rival.accuracy if isinstance(rival, ComparedChampion) else None,
        accuracy=measures.accuracy_estimate if measures else None,
    )


def _outcome(checks: list[Check], open_points: list[str], criterion: Criterion) -> tuple[Outcome, str]:
    if failed := [check.sentence() for check in checks if check.passed is False]:
        more = len(failed) - _FAILURES_SHOWN
        return "REJECTED", f"Failed: {'; '.join(failed[:_FAILURES_SHOWN])}{f'; and {more} more' if more > 0 else ''}."
    if open_points:
        return "UNKNOWN", f"Nothing failed. {' '.join(open_points)}"
    return "VALIDATED", f"Passes all checks; {criterion.sentence()}."


def _open_points(measures: Measures | None, settings: Gate) -> Iterator[str]:
    """Why nothing can be said of a candidate that failed no check, a sentence each."""
    if all(getattr(settings, key) is None for key in _THRESHOLDS):
        keys = ", ".join(f"gate.{key}" for key in _THRESHOLDS)
        yield f"No threshold is set, so nothing is promoted: set one or more of {keys} in params.yaml."
    if measures and (missing := [label for label, each in measures.classes.items() if not each.support]):
        yield f"There are no test images of {some(missing)}, so their recall is not known."
    if measures is None:
        yield "There are no test images: see outputs/split/test.csv."


def _incomparable(rival: Rival) -> Iterator[str]:
    if isinstance(rival, Incomparable):
        yield f"It cannot be compared with champion version {rival.version}: {rival.why}"


def _floors(measures: Measures, settings: Gate) -> Iterator[Check]:
    recalls = {label: each.recall for label, each in measures.classes.items() if each.support}
    interval = f"interval {measures.accuracy_low:.1%} to {measures.accuracy_high:.1%}"
    of_recall = f"interval {measures.macro_recall_low:.1%} to {measures.macro_recall_high:.1%}"
    chance = f"{measures.ece_noise:.1%} by chance alone"
    yield from _asked("accuracy", "share", measures.accuracy, "at least", settings.min_accuracy, interval)
    yield from _asked("macro recall", "share", measures.macro_recall, "at least", settings.min_macro_recall, of_recall)
    worst = min(recalls, key=lambda label: recalls[label])
    least = settings.min_class_recall
    yield from _asked("worst class recall", "share", measures.worst_recall, "at least", least, worst)
    yield from _asked("expected calibration error", "share", measures.ece, "at most", settings.max_ece, chance)


def _gaps(columns: Sequence[ColumnResult], settings: Gate) -> Iterator[Check]:
    """A gap is above the limit where its lower end is, and below it where its upper end is and no value is left out."""
    limit = settings.max_slice_gap
    if limit is None:
        return
    for column in columns:
        name, gap = f"gap in accuracy by {column.name}", column.gap
        if gap is None:
            note = f"fewer than two values have {LEAST_PEOPLE} people"
            yield Check(name, "share", None, "at most", limit, None, note)
            continue
        within = True if gap.high <= limit and not column.too_few else None
        note = f"{gap.worst} to {gap.best}, {interval_of(gap, settings)}"
        yield Check(name, "share", gap.value, "at most", limit, False if gap.low > limit else within, note)


def _open_gaps(columns: Sequence[ColumnResult], settings: Gate) -> Iterator[str]:
    limit = settings.max_slice_gap
    if limit is None:
        return
    for column in columns:
        name, gap = column.name, column.gap
        if column.too_few or not gap:
            few = some(f"{value.name} ({value.people})" for value in column.too_few) or "any second value"
            yield (
                f"Of {name}, fewer than {LEAST_PEOPLE} people are in the test images with {few}: merge values in "
                "metadata.csv, or empty the cells of those that should not count."
            )
        if gap and gap.low <= limit < gap.high:
            enough = (
                f"; if they are equal, about {gap.people_for(limit)} people per value would show it" if limit else ""
            )
            yield (
                f"It is not known whether accuracy by {name} differs by at most gate.max_slice_gap: the gap may be "
                f"{gap.low:.1%} to {gap.high:.1%} with {gap.people} people in the smallest value{enough}."
            )


def _served(canary: CanaryReport) -> Check:
    note = f"{canary.answered} photos answered, {canary.refused} bad inputs refused"
    if canary.problems:
        more = len(canary.problems) - _PROBLEMS_SHOWN
        note = " ".join([*canary.problems[:_PROBLEMS_SHOWN], f"And {more} more." if more > 0 else ""])
        # A server's own words may be many lines, which a cell of a table is not.
        note = shorten(note, _NOTE_LENGTH, placeholder=" …")
    return Check.of("problems of the canary", "whole", len(canary.problems), "at most", 0, note)


def _budgets(canary: CanaryReport, settings: Gate) -> Iterator[Check]:
    # What a server that cannot serve measures says nothing.
    if canary.passed:
        yield from _asked("p95 latency in ms", "whole", canary.latency_p95_ms, "at most", settings.max_latency_ms)
        yield from _asked("size in MB", "whole", canary.size_mb, "at most", settings.max_size_mb)
        yield from _asked("memory in MB", "whole", canary.memory_mb, "at most", settings.max_memory_mb)


def _asked(
    metric: str, unit: Unit, value: float, bound: Bound, threshold: float | None, note: str = ""
) -> Iterator[Check]:
    """A check, where a threshold is configured."""
    if threshold is not None:
        yield Check.of(metric, unit, value, bound, threshold, note)
