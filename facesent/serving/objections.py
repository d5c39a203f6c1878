"""What speaks against a version: beside the one that is served, before it takes over; and in service, afterwards."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Any

from facesent.evaluation.intervals import Estimate, share_of
from facesent.serving.settings import Server

# Fewer say little of how long answers take.
_COPIES, _ANSWERS = 10, 100
# Fewer failures may be an accident.
_FAILURES = 3
_CONFIDENCE_LEVEL = 0.95


@dataclass(frozen=True)
class Tallied:
    """What came of the requests of processes.

    Attributes:
        requests: answered, or failed; those that clients spoilt do not count.
        failed: answered with a 5xx.
        seconds: of the last answers, with how many requests were worked on at once.
        compared: what came of copies, by process, as ``gateway.shadow.Compared``.
    """

    requests: int = 0
    failed: int = 0
    seconds: Sequence[tuple[float, int]] = ()
    compared: Sequence[Mapping[str, Any]] = ()

    @classmethod
    def of(cls, said: Iterable[Mapping[str, Any]]) -> "Tallied":
        """The sum of what processes said; of one that has ended, nothing."""
        known = [each for each in said if each]
        return cls(
            requests=sum(each["requests"] for each in known),
            failed=sum(each["failed"] for each in known),
            seconds=[pair for each in known for pair in each["seconds"]],
            compared=[each["compared"] for each in known if each["compared"]],
        )


@dataclass(frozen=True)
class Shadow:
    """What a version answered beside the one that is served.

    Attributes:
        version: its number.
        copies: of real requests that it was asked.
        agreement: share of the faces with the label that the client got; None before there is one.
        slower: its median time by that of the version that is served; None before there is one.
        wrong: what was wrong with an answer.
    """

    version: int
    copies: int = 0
    agreement: float | None = None
    slower: float | None = None
    wrong: str = ""

    @classmethod
    def of(cls, version: int, compared: Sequence[Mapping[str, Any]]) -> "Shadow":
        """Summed up."""
        faces, agreed, copies = (sum(each[name] for each in compared) for name in ("faces", "agreed", "copies"))
        mine, theirs = ([pair[place] for each in compared for pair in each["seconds"]] for place in (0, 1))
        slower = round(median(mine) / median(theirs), 2) if theirs and median(theirs) else None
        wrong = next((each["wrong"] for each in compared if each["wrong"]), "")
        return cls(version, copies, round(agreed / faces, 4) if faces else None, slower, wrong)

    def objection(self, bounds: Server) -> str:
        """Why it is not to take over, as a sentence; nothing where it may."""
        if self.wrong:
            return f"Expected an answer to a copy of a request that was answered. Received: {self.wrong}"
        most = bounds.shadow_slower
        if most and self.slower and self.copies >= _COPIES and self.slower > most:
            return f"Expected answers to copies of requests in at most {most:g} times the time. Received: {self}"
        return ""

    def __str__(self) -> str:
        if self.agreement is None:
            return "no copy of a request"
        return (
            f"{self.copies} copies of requests, {self.agreement:.1%} of the labels alike, "
            f"in {self.slower or 1:.2f} times the time"
        )


def objection(before: Tallied, now: Tallied, ended: int, accuracy: Estimate | None, bounds: Server) -> str:
    """Why a version in service is to be rolled back, as a sentence; nothing where it is not.

    Args:
        before: of the version before it.
        now: of this version.
        ended: processes of it that ended unasked.
        accuracy: of its audited answers, where there are labels.
        bounds: section ``server``.
    """
    if ended >= _FAILURES:
        return f"{ended} of its processes ended unasked."
    failed = share_of(now.failed, now.requests, _CONFIDENCE_LEVEL)
    usual = before.failed / before.requests if before.requests else 0.0
    if bounds.rollback_failed is not None and now.failed >= _FAILURES and failed.low > bounds.rollback_failed + usual:
        return f"{now.failed} of {now.requests} requests failed, over {bounds.rollback_failed:.1%} for certain."
    slower = _slower(before, now)
    if bounds.rollback_slower and slower > bounds.rollback_slower:
        return f"Its p95 is {slower:.1f} times that of the version before, over {bounds.rollback_slower:g}."
    if bounds.rollback_accuracy is not None and accuracy and accuracy.high < bounds.rollback_accuracy:
        return (
            f"{accuracy.value:.1%} of {accuracy.images} audited answers are right ({accuracy.low:.1%} to "
            f"{accuracy.high:.1%}), under {bounds.rollback_accuracy:.1%}."
        )
    return ""


def _slower(before: Tallied, now: Tallied) -> float:
    """By how much its p95 is longer than before, however much is asked at once; 0 where too little is known."""
    if min(len(before.seconds), len(now.seconds)) < _ANSWERS:
        return 0.0
    alone, shared = ([_p95(tallied, each) for tallied in (now, before)] for each in (False, True))
    return min(mine / theirs if theirs else 0.0 for mine, theirs in (alone, shared))


def _p95(tallied: Tallied, shared: bool) -> float:
    return quantiles([seconds / (at_once if shared else 1) for seconds, at_once in tallied.seconds], n=20)[18]
