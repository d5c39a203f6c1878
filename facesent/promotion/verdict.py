"""What the gate says of a candidate, as a value for people and for machines."""

import json
import math
import operator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

from pydantic import TypeAdapter

from facesent.core.markdown import escaped, table
from facesent.evaluation.intervals import Estimate
from facesent.promotion.comparison import Comparison, Difference
from facesent.promotion.settings import Gate

if TYPE_CHECKING:
    from facesent.evaluation.gaps import Gap

Outcome = Literal["VALIDATED", "REJECTED", "UNKNOWN"]
Bound = Literal["at least", "above", "at most"]
Unit = Literal["share", "points", "whole"]
"""``points``: a difference of shares; ``whole``: a number without decimals, such as a count or milliseconds."""

HEADERS = ("metric", "value", "threshold", "passed", "note")
_PASSED = {True: "yes", False: "no", None: "not known"}
_HOLDS = {"at least": operator.ge, "above": operator.gt, "at most": operator.le}


@dataclass(frozen=True)
class Check:
    """One comparison of the gate.

    Attributes:
        metric: what was measured.
        unit: of value and threshold.
        value: None where the measurement gave no number.
        bound: how the value has to stand to the threshold.
        threshold: what was asked for.
        passed: None where it is not known; not True with a value of None.
        note: what people read beside it, such as an interval; may be empty.
    """

    metric: str
    unit: Unit
    value: float | None
    bound: Bound
    threshold: float
    passed: bool | None
    note: str = ""

    @classmethod
    def of(cls, metric: str, unit: Unit, value: float, bound: Bound, threshold: float, note: str = "") -> "Check":
        """Compare; NaN and infinity are no numbers and never pass."""
        if not math.isfinite(value):
            return cls(metric, unit, None, bound, threshold, False, note)
        return cls(metric, unit, value, bound, threshold, _HOLDS[bound](value, threshold), note)

    def row(self) -> tuple[str, str, str, str, str]:
        """The check under ``HEADERS``."""
        limit = f"{self.bound} {_shown(self.unit, self.threshold)}"
        return self.metric, _shown(self.unit, self.value), limit, _PASSED[self.passed], self.note

    def sentence(self) -> str:
        """The check in words, without a full stop."""
        metric, value, limit, _, note = self.row()
        return f"{metric} {value}, expected {limit}{f' ({note})' if note else ''}"


@dataclass(frozen=True)
class Verdict:
    """What the gate says of a candidate, and why.

    Attributes:
        outcome: REJECTED where a check failed; UNKNOWN where none did, but something that has to be known is not.
        reason: a sentence or a few.
        candidate: the candidate's version.
        champion: the champion's version, if there is one.
        checks: all comparisons, passed or not.
        comparison: with the champion; None where there was none, or it could not be compared.
        champion_accuracy: of the champion on those test images that count; None where there is no comparison.
        accuracy: of the candidate on all test images; None where there are none.
        incomparable: whether nothing but a champion that cannot be compared stands in the way of an UNKNOWN candidate.
    """

    outcome: Outcome
    reason: str
    candidate: int
    champion: int | None
    checks: tuple[Check, ...]
    incomparable: bool = False
    comparison: Comparison | None = None
    champion_accuracy: Estimate | None = None
    accuracy: Estimate | None = None

    @classmethod
    def from_json(cls, text: str) -> "Verdict":
        """Read what ``to_json`` gave."""
        return TypeAdapter(cls).validate_json(text)

    def to_json(self) -> str:
        """The verdict as JSON, without the NaN and Infinity that JSON does not have."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    def to_markdown(self) -> str:
        """The verdict as a heading, a sentence and a table."""
        head = f"**{self.outcome}**: version {self.candidate}. {escaped(self.reason)}\n"
        return head + (f"\n{table(HEADERS, map(Check.row, self.checks))}\n" if self.checks else "")


def interval_of(difference: "Difference | Gap", settings: Gate) -> str:
    """The interval of a difference of shares, with the gate's level."""
    low, high = (f"{100 * end:+.1f}" for end in (difference.low, difference.high))
    return f"{100 * settings.confidence_level:g}% interval {low} to {high} points"


def _shown(unit: Unit, value: float | None) -> str:
    if value is None:
        return "not measured"
    match unit:
        case "share":
            return f"{value:.1%}"
        case "points":
            return f"{100 * value:+.1f} points" if value else "0"
        case "whole":
            return f"{value:,.0f}"
