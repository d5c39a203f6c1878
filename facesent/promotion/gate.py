"""The gate: what a candidate must reach before it is served."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from textwrap import shorten
from typing import TYPE_CHECKING

from facesent.core.text import some
from facesent.evaluation.gaps import LEAST_PEOPLE, ColumnResult, Gap
from facesent.evaluation.measures import Measures
from facesent.promotion.canary.report import CanaryReport
from facesent.promotion.settings import Gate
from facesent.promotion.verdict import CANARY, Bound, Check, Outcome, Verdict, in_points

if TYPE_CHECKING:
    from facesent.evaluation.intervals import Estimate
    from facesent.promotion.comparison import Comparison, Difference

_BUDGETS = ("max_latency_ms", "max_size_mb", "max_memory_mb")
_FLOORS = ("min_accuracy", "min_macro_recall", "min_class_recall", "max_ece", "max_slice_gap")
_THRESHOLDS = (*_FLOORS, "min_gain", *_BUDGETS)
_PROBLEMS_SHOWN = 3
# Of the reason, which is a sentence; the table has all.
_FAILURES_SHOWN = 3
_NOTE_LENGTH = 500


@dataclass(frozen=True)
class Cure:
    """How the candidate differs from a champion that is asked about other photos than before, on those and on the rest.

    Attributes:
        after: on labelled photos from after the change.
        before: on all others.
    """

    after: "Comparison"
    before: "Comparison"


@dataclass(frozen=True)
class Champion:
    """The served version, how the candidate differs from it on the same test images, and its accuracy on them.

    Attributes:
        version: its number.
        comparison: the candidate less the champion.
        accuracy: of the champion.
        retrain: whether it has to be replaced, since it was trained on a person who was forgotten.
        cure: the same comparison in two parts, where an alarm of the watch has led to the candidate.
    """

    version: int
    comparison: "Comparison"
    accuracy: "Estimate"
    retrain: bool = False
    cure: Cure | None = None


@dataclass(frozen=True)
class Incomparable:
    """A served version that cannot be measured on these test images; ``why`` is a sentence."""

    version: int
    why: str


@dataclass(frozen=True)
class Twin:
    """A served version that has the candidate's weights, and perhaps another ``min_confidence``: nothing to beat."""

    version: int


Rival = Champion | Incomparable | Twin | None


def judge(
    candidate: int,
    measures: Measures | None,
    rival: Rival,
    canary: CanaryReport | None,
    settings: Gate,
    columns: Sequence[ColumnResult] = (),
) -> Verdict:
    """Hold a candidate against the thresholds, and against the champion where another model is served.

    A failed check rejects, whatever else is unknown. A champion is replaced only by what beats it: the gain in macro
    recall is above 0, the lower end of its interval above ``min_gain`` where that is set, and no class is worse beyond
    its own interval. Where an alarm has led to the candidate, a gain on the photos from after the change is enough if
    the loss on the others is within ``retrain_margin``. Budgets without a canary's measurements leave the verdict open:
    nothing failed, but nothing was shown either. So does a gap between slices that is shown neither to be above
    ``max_slice_gap`` nor below it.

    Args:
        candidate: the candidate's version.
        measures: on the test images; None where there are none.
        rival: the champion; None where none is served.
        canary: what the real server with the candidate gave; None where it was not tried.
        settings: what is asked for.
        columns: those of ``evaluate.slices``, at the gate's level.

    Raises:
        ValueError: if the canary is of another version.
    """
    if canary and canary.version != candidate:
        raise ValueError(f"Expected the canary of version {candidate}. Received: that of version {canary.version}.")
    checks = [
        *(_floors(measures, settings) if measures else ()),
        *_gaps(columns, settings),
        *(_against(rival, settings) if isinstance(rival, Champion) else ()),
        *(_served(canary, settings) if canary else ()),
    ]
    open_points = [*_open_points(measures, canary, settings), *_open_gaps(columns, settings)]
    incomparable = isinstance(rival, Incomparable) and not open_points
    if isinstance(rival, Incomparable):
        open_points.append(f"It cannot be compared with champion version {rival.version}: {rival.why}")
        if incomparable:
            open_points.append("To serve it anyway: facesent promote --replace-incomparable")
    outcome, reason = _outcome(checks, open_points, rival, settings)
    return Verdict(
        outcome,
        reason,
        candidate,
        rival.version if rival else None,
        tuple(checks),
        incomparable=incomparable and outcome == "UNKNOWN",
        comparison=rival.comparison if isinstance(rival, Champion) else None,
        champion_accuracy=rival.accuracy if isinstance(rival, Champion) else None,
        accuracy=measures.accuracy_estimate if measures else None,
    )


def _outcome(checks: list[Check], open_points: list[str], rival: Rival, settings: Gate) -> tuple[Outcome, str]:
    # What cannot be served comes before what is not good enough.
    ordered = sorted(checks, key=lambda check: check.metric != CANARY)
    if failed := [check.sentence() for check in ordered if check.passed is False]:
        more = len(failed) - _FAILURES_SHOWN
        return "REJECTED", f"Failed: {'; '.join(failed[:_FAILURES_SHOWN])}{f'; and {more} more' if more > 0 else ''}."
    if open_points:
        return "UNKNOWN", f"{'Nothing failed. ' if checks else ''}{' '.join(open_points)}"
    if isinstance(rival, Champion) and rival.retrain:
        return "VALIDATED", f"Passes all checks; champion version {rival.version} has to be replaced."
    if isinstance(rival, Champion) and (cure := _needed_cure(rival, settings)):
        gain = cure.after.macro_recall
        return (
            "VALIDATED",
            f"Passes all checks; on {cure.after.images} photos from after the change its macro recall is "
            f"{100 * gain.estimate:.1f} points above version {rival.version}'s ({_interval(gain, settings)}), and on "
            f"the others it loses less than {100 * settings.retrain_margin:g} points.",
        )
    if isinstance(rival, Champion):
        gain = rival.comparison.macro_recall
        better = f"{100 * gain.estimate:.1f} points above version {rival.version}'s"
        return (
            "VALIDATED",
            f"Passes all checks; its macro recall is {better} ({_interval(gain, settings)}){_on(rival)}.",
        )
    if isinstance(rival, Twin):
        return "VALIDATED", f"Passes all checks; it has the same weights as the champion, version {rival.version}."
    return "VALIDATED", "Passes all checks; there is no other champion."


def _open_points(measures: Measures | None, canary: CanaryReport | None, settings: Gate) -> Iterator[str]:
    """Why nothing can be said of a candidate that failed no check, a sentence each."""
    if not _configured(settings, _THRESHOLDS):
        keys = ", ".join(f"gate.{key}" for key in _THRESHOLDS)
        yield f"No threshold is set, so nothing is promoted: set one or more of {keys} in params.yaml."
    if measures and (missing := [label for label, each in measures.classes.items() if not each.support]):
        yield f"There are no test images of {some(missing)}, so their recall is not known."
    if measures is None:
        yield "There are no test images: see outputs/split/test.csv."
    if canary is None and (budgets := _configured(settings, _BUDGETS)):
        keys = ", ".join(f"gate.{key}" for key in budgets)
        yield f"The model was not tried in a real server, so {keys} cannot be checked."


def _configured(settings: Gate, keys: tuple[str, ...]) -> list[str]:
    return [key for key in keys if getattr(settings, key) is not None]


def _floors(measures: Measures, settings: Gate) -> Iterator[Check]:
    recalls = {label: each.recall for label, each in measures.classes.items() if each.support}
    interval = f"interval {measures.accuracy_low:.1%} to {measures.accuracy_high:.1%}"
    chance = f"{measures.ece_noise:.1%} by chance alone"
    yield from _asked("accuracy", measures.accuracy, "at least", settings.min_accuracy, interval)
    yield from _asked("macro recall", measures.macro_recall, "at least", settings.min_macro_recall)
    worst = min(recalls, key=lambda label: recalls[label])
    yield from _asked("worst class recall", measures.worst_recall, "at least", settings.min_class_recall, worst)
    yield from _asked("expected calibration error", measures.ece, "at most", settings.max_ece, chance)


def _gaps(columns: Sequence[ColumnResult], settings: Gate) -> Iterator[Check]:
    """A gap is above the limit where its lower end is, and below it where its upper end is and no value is left out."""
    limit = settings.max_slice_gap
    if limit is None:
        return
    for column in columns:
        name, gap = f"gap in accuracy by {column.name}", column.gap
        if gap is None:
            yield Check(name, None, "at most", limit, None, f"fewer than two values have {LEAST_PEOPLE} people")
            continue
        within = True if gap.high <= limit and not column.too_few else None
        note = f"{gap.worst} to {gap.best}, {_interval(gap, settings)}"
        yield Check(name, gap.value, "at most", limit, False if gap.low > limit else within, note)


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


def _against(champion: Champion, settings: Gate) -> Iterator[Check]:
    """By what the candidate is judged: a champion that must be replaced, one that an alarm is about, or any other."""
    if champion.retrain:
        return _replaces(champion, settings)
    cure = _needed_cure(champion, settings)
    return _cures(cure, champion.version, settings) if cure else _gains(champion, settings)


def _replaces(champion: Champion, settings: Gate) -> Iterator[Check]:
    """Not worse by more than a margin."""
    gain, than = champion.comparison.macro_recall, f"over version {champion.version}"
    note = f"{_interval(gain, settings)}; it has to be replaced"
    yield Check.of(f"gain in macro recall {than}, lower end", gain.low, "above", -settings.retrain_margin, note)


def _needed_cure(champion: Champion, settings: Gate) -> Cure | None:
    """By what the candidate is judged, where the gain on all images does not do."""
    return None if all(check.passed for check in _gains(champion, settings)) else champion.cure


def _cures(cure: Cure, champion: int, settings: Gate) -> Iterator[Check]:
    """Better on what the champion is asked about now, and elsewhere not worse by more than the margin."""
    after, before = cure.after.macro_recall, cure.before.macro_recall
    least, than = max(settings.min_gain or 0.0, 0.0), f"over version {champion}"
    where, elsewhere = f"from after the change {than}, lower end", f"elsewhere {than}, lower end"
    yield Check.of(f"gain in macro recall {where}", after.low, "above", least, _interval(after, settings))
    margin = -settings.retrain_margin
    yield Check.of(f"gain in macro recall {elsewhere}", before.low, "above", margin, _interval(before, settings))
    yield from _classes(cure.before, settings)


def _gains(champion: Champion, settings: Gate) -> Iterator[Check]:
    """Equal is not enough: a champion stays until something is better, even where a loss would be tolerated."""
    gain, than = champion.comparison.macro_recall, f"over version {champion.version}"
    interval = _interval(gain, settings)
    yield Check.of(f"gain in macro recall {than}", gain.estimate, "above", 0.0, interval)
    yield from _asked(f"gain in macro recall {than}, lower end", gain.low, "above", settings.min_gain, interval)
    yield from _classes(champion.comparison, settings)


def _classes(comparison: "Comparison", settings: Gate) -> Iterator[Check]:
    for label, change in comparison.classes.items():
        note = f"{100 * change.estimate:+.1f}, {_interval(change, settings)}"
        yield Check.of(f"change in recall of {label}, upper end", change.high, "at least", 0.0, note)


def _served(canary: CanaryReport, settings: Gate) -> Iterator[Check]:
    note = f"{canary.answered} photos answered, {canary.refused} bad inputs refused"
    if canary.problems:
        more = len(canary.problems) - _PROBLEMS_SHOWN
        note = " ".join([*canary.problems[:_PROBLEMS_SHOWN], f"And {more} more." if more > 0 else ""])
        # A server's own words may be many lines, which a cell of a table is not.
        note = shorten(note, _NOTE_LENGTH, placeholder=" …")
    yield Check.of(CANARY, len(canary.problems), "at most", 0, note)
    # What a server that cannot serve measures says nothing.
    if canary.passed:
        yield from _asked("p95 latency in ms", canary.latency_p95_ms, "at most", settings.max_latency_ms)
        yield from _asked("size in MB", canary.size_mb, "at most", settings.max_size_mb)
        yield from _asked("memory in MB", canary.memory_mb, "at most", settings.max_memory_mb)


def _asked(metric: str, value: float, bound: Bound, threshold: float | None, note: str = "") -> Iterator[Check]:
    """A check, where a threshold is configured."""
    if threshold is not None:
        yield Check.of(metric, value, bound, threshold, note)


def _on(rival: Champion) -> str:
    """On which images, where it is not all test images."""
    images, seen = rival.comparison.images, rival.comparison.seen
    return f", on the {images} of {images + seen} test images that neither saw in training" if seen else ""


def _interval(difference: "Difference | Gap", settings: Gate) -> str:
    return f"{100 * settings.confidence_level:g}% interval {in_points(difference.low, difference.high)}"
