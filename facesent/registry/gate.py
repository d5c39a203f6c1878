"""The gate: what a candidate must reach before it is served."""

import json
from dataclasses import asdict, dataclass
from typing import Literal

from facesent.evaluation.measures import Measures
from facesent.params import Gate

Outcome = Literal["VALIDATED", "REJECTED", "UNKNOWN"]


@dataclass(frozen=True)
class Check:
    """One comparison of the gate."""

    metric: str
    value: float
    threshold: float
    passed: bool


@dataclass(frozen=True)
class Champion:
    """The served version, measured on the same test images as the candidate."""

    version: int
    measures: Measures


@dataclass(frozen=True)
class Incomparable:
    """A served version that cannot be measured on these test images."""

    version: int
    why: str


@dataclass(frozen=True)
class Verdict:
    """What the gate says of a candidate, and why.

    Attributes:
        outcome: UNKNOWN where the champion cannot be compared.
        reason: one sentence.
        candidate: the candidate's version.
        champion: the champion's version, if there is one.
        checks: all comparisons, passed or not.
    """

    outcome: Outcome
    reason: str
    candidate: int
    champion: int | None
    checks: tuple[Check, ...]

    def to_json(self) -> str:
        """The verdict as JSON."""
        return json.dumps(asdict(self), indent=1) + "\n"

    def to_markdown(self) -> str:
        """The verdict as a heading, a sentence and a table."""
        head = f"**{self.outcome}**: version {self.candidate}. {self.reason}\n\n"
        rows = "".join(
            f"| {check.metric} | {check.value:.4f} | {check.threshold:.4f} | {'yes' if check.passed else 'no'} |\n"
            for check in self.checks
        )
        return head + "| metric | value | threshold | passed |\n|---|---:|---:|---|\n" + rows


def judge(candidate: int, measures: Measures, rival: Champion | Incomparable | None, settings: Gate) -> Verdict:
    """Compare a candidate with the floors, and with the champion where another one is served.

    Args:
        candidate: the candidate's version.
        measures: on the test images.
        rival: the champion; None where none is served, or the candidate is it.
        settings: the floors and the least gain.
    """
    checks = [
        _at_least("accuracy", measures.accuracy, settings.min_accuracy),
        _at_least("worst class recall", measures.worst_recall, settings.min_class_recall),
    ]
    if isinstance(rival, Champion):
        checks.append(_gain(measures, rival, settings))
    outcome, reason = _outcome([check.metric for check in checks if not check.passed], rival)
    return Verdict(outcome, reason, candidate, rival.version if rival else None, tuple(checks))


def _outcome(failed: list[str], rival: Champion | Incomparable | None) -> tuple[Outcome, str]:
    match rival:
        case _ if failed:
            return "REJECTED", f"Below the threshold: {', '.join(failed)}."
        case None:
            return "VALIDATED", "Passes the floors; no other model is champion."
        case Champion(version):
            return "VALIDATED", f"Passes the floors and is better than version {version}."
        case Incomparable(version, why):
            return "UNKNOWN", f"Passes the floors, but cannot be compared with champion version {version}: {why}"


def _at_least(metric: str, value: float, threshold: float) -> Check:
    return Check(metric, value, threshold, value >= threshold)


def _gain(measures: Measures, champion: Champion, settings: Gate) -> Check:
    """Equal is not enough: a champion stays until something is better."""
    gain = measures.accuracy - champion.measures.accuracy
    return Check(f"accuracy gain over version {champion.version}", gain, settings.min_gain, gain > settings.min_gain)
