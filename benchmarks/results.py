"""Rows of the table: a figure beside its peer's and its goal."""

from collections.abc import Iterable
from dataclasses import dataclass

from benchmarks.contest import Timing
from facesent.core.markdown import table

_SCALES = {"s": 1.0, "ms": 1e3}


@dataclass(frozen=True)
class Result:
    """One row. ``ours`` and ``theirs`` carry unit and spread; ``reached`` is None where there is no goal to reach."""

    benchmark: str
    what: str
    ours: str
    peer: str = ""
    theirs: str = ""
    ratio: float | None = None
    goal: str = ""
    reached: bool | None = None


def compared(
    what: str,
    ours: Timing,
    theirs: Timing,
    *,
    at_most: float | None = None,
    at_least: float | None = None,
    unit: str = "s",
) -> Result:
    """Our figure beside a peer's, and the ratio of their medians.

    Args:
        what: the figure, such as ``train step, batch 64, 224x224``.
        ours: our rounds.
        theirs: the peer's; where it dropped out, the row says why in the place of its figure. No goal is judged beside
            the fastest of those that are left.
        at_most: the goal for ours / theirs.
        at_least: the goal for ours / theirs; only one of the two.
        unit: ``s`` or ``ms`` for the time of a round; ``images/s`` or the like for units of work a second.
    """
    goal = _goal(at_most, at_least, "×")
    if theirs.absent:
        return Result("", what, show(ours, unit), theirs.name, theirs.absent, goal=goal)
    ratio = _value(ours.median, ours.work, unit) / _value(theirs.median, theirs.work, unit)
    reached = None if theirs.missing else _reached(ratio, at_most, at_least)
    peer = f"{theirs.name} (without {', '.join(theirs.missing)})" if theirs.missing else theirs.name
    return Result("", what, show(ours, unit), peer, show(theirs, unit), ratio, goal, reached)


def bounded(
    what: str, measured: Timing | float, *, at_most: float | None = None, at_least: float | None = None, unit: str
) -> Result:
    """Our figure beside a bound that is no peer's.

    Args:
        what: the figure.
        measured: our rounds, whose median is judged, or a number in ``unit``.
        at_most: the bound in ``unit``.
        at_least: the bound in ``unit``; only one of the two.
        unit: as in ``compared``; anything, such as ``MiB``, where ``measured`` is a number.
    """
    value = _value(measured.median, measured.work, unit) if isinstance(measured, Timing) else measured
    shown = show(measured, unit) if isinstance(measured, Timing) else f"{_digits(value)} {unit}"
    return Result(
        "", what, shown, goal=_goal(at_most, at_least, f" {unit}"), reached=_reached(value, at_most, at_least)
    )


def noted(what: str, value: str, *, peer: str = "", theirs: str = "") -> Result:
    """A figure without a goal; ``value`` and ``theirs`` carry their units."""
    return Result("", what, value, peer, theirs)


def show(timing: Timing, unit: str) -> str:
    """Median and spread, such as ``2.10 s (2.05-2.31)`` or ``830 images/s (790-861)``; or why there are none."""
    if timing.absent:
        return timing.absent
    low, high = sorted(_value(seconds, timing.work, unit) for seconds in (timing.low, timing.high))
    return f"{_digits(_value(timing.median, timing.work, unit))} {unit} ({_digits(low)}-{_digits(high)})"


def to_markdown(results: Iterable[Result]) -> str:
    """The table, one row a result."""
    rows = [
        (
            result.benchmark,
            result.what,
            result.ours,
            result.peer,
            result.theirs,
            "" if result.ratio is None else f"{result.ratio:.2f}×",
            result.goal,
            {None: "", True: "yes", False: "NO"}[result.reached],
        )
        for result in results
    ]
    return table(("benchmark", "what", "ours", "peer", "theirs", "ours / theirs", "goal", "reached"), rows)


def _value(seconds: float, work: float, unit: str) -> float:
    return work / seconds if unit.endswith("/s") else seconds * _SCALES[unit]


def _digits(value: float) -> str:
    """Three digits or more, never an exponent."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}" if abs(value) >= 1 else f"{value:.2g}"


def _goal(at_most: float | None, at_least: float | None, unit: str) -> str:
    if at_most is not None and at_least is not None:
        raise ValueError(f"Expected at_most or at_least. Received: {at_most} and {at_least}")
    if at_most is not None:
        return f"≤ {at_most:g}{unit}"
    return "" if at_least is None else f"≥ {at_least:g}{unit}"


def _reached(value: float, at_most: float | None, at_least: float | None) -> bool | None:
    if at_most is not None:
        return value <= at_most
    return None if at_least is None else value >= at_least
