"""Which version is served: ``champion``, and ``previous`` to go back to.

A change is written into the registry's history before the aliases move; whoever comes next finishes what an ended
process began. So ``champion`` names a version that passed at every moment, and each change starts where the one before
ended, also where promoters on several machines meet.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import wraps
from typing import ParamSpec, TypeVar

from facesent.core.errors import TrackingError
from facesent.promotion.verdict import Verdict
from facesent.registry import decisions, versions
from facesent.registry.client import mlflow_answers
from facesent.registry.decisions import Action, Aliases, Approval, Entry, OvertakenError, Record
from facesent.registry.lock import alone_with_registry
from facesent.registry.versions import CHAMPION, PREVIOUS, VERDICT_TAG, RegistryError, Version

GATE = "gate"

_P = ParamSpec("_P")
_T = TypeVar("_T")


class StaleVerdictError(RegistryError):
    """The champion is another one than when the candidate was judged."""


@dataclass(frozen=True)
class Promotion:
    """The aliases after a promotion.

    Attributes:
        champion: the version that is served; None where none is.
        previous: the one that was served before it.
        changed: whether this call moved them.
        note: why they were not moved, as a sentence.
        approved_by: the person who agreed, if one had to.
    """

    champion: int | None
    previous: int | None
    changed: bool
    note: str = ""
    approved_by: str = ""


def again_if_overtaken(decide: Callable[_P, _T]) -> Callable[_P, _T]:
    """Let what decides about the champion look again where another promoter was quicker."""

    @wraps(decide)
    def until_first(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        while True:
            with suppress(OvertakenError):
                return decide(*args, **kwargs)

    return until_first


@mlflow_answers()
@again_if_overtaken
def promote(verdict: Verdict, *, replace_incomparable: bool = False, approval: Approval | None = None) -> Promotion:
    """Make a validated candidate the champion; the one before stays known as ``previous``.

    A version that was rolled back stays out until a person rolls back to it: the gate, which let it pass once, would
    let it pass again. So does another version of the same weights, which other settings or other code would make.

    Args:
        verdict: the gate's.
        replace_incomparable: promote also where the champion could not be compared.
        approval: what a person said, where one has to agree.

    Raises:
        StaleVerdictError: if the candidate was not held against the present champion.
    """
    with settled() as record:
        approver = approval.by if approval and approval.state == "approved" else ""
        if record.aliases.champion == verdict.candidate:
            note = f"Version {verdict.candidate} is champion already."
        elif not may_be_served(verdict, replace_incomparable=replace_incomparable):
            note = f"Version {verdict.candidate} did not pass the gate."
        elif not (note := why_withdrawn(record, verdict.candidate)):
            if approval and not approver:
                note = approval.sentence
            else:
                check_fresh(record, verdict.candidate, verdict.champion)
                return serve(record, verdict.candidate, "promote", by=approver or GATE, why=verdict.reason)
        return Promotion(record.aliases.champion, record.aliases.previous, False, note, approver)


@mlflow_answers()
@again_if_overtaken
def rollback(version: int | None = None, *, by: str = "", why: str = "", instead_of: int | None = None) -> Promotion:
    """Make an earlier version the champion again.

    Without a version that is ``previous``. Right after a rollback this changes nothing, so that two people who roll
    back at once, or one who repeats it after a crash, do not bring the bad version back.

    Args:
        version: the version to serve.
        by: who decided.
        why: for the history.
        instead_of: the champion that is meant: nothing changes if it is another one by now.

    Raises:
        RegistryError: if there is no such version, or it never passed.
    """
    with settled() as record:
        champion, previous = record.aliases.champion, record.aliases.previous
        if instead_of not in (None, champion):
            return Promotion(champion, previous, False, f"Version {instead_of} is not champion any more.")
        if version is None:
            if champion is None or previous is None:
                raise RegistryError(
                    f"Expected a champion and a previous version. Received: champion {champion}, previous {previous}. "
                    "There is no version to go back to until a second one has been promoted."
                )
            last = record.last
            if last and last.action == "rollback" and last.after == record.aliases:
                left = last.before.champion
                note = f"The rollback has already been done. To serve version {left} again: facesent rollback {left}"
                return Promotion(champion, previous, False, note)
            version = previous
        if version == champion:
            return Promotion(champion, previous, False, f"Version {version} is champion already.")
        _check_passed(record, versions.get(version))
        return serve(record, version, "rollback", by=by, why=why or f"From version {champion}.")


@contextmanager
def settled() -> Iterator[Record]:
    """Finish what a promoter that was ended began, and give the aliases and their history.

    Other promoters of this machine are kept out; of those elsewhere one may be quicker: ``OvertakenError``.
    """
    with alone_with_registry():
        record = decisions.read()
        if record.last and not record.last.closed:
            record = _finish(record, record.last)
        # What was done in MLflow's pages is respected as if it had been done here.
        if entry := record.moved_by_hand:
            record = Record(record.aliases, (*record.entries, decisions.write(entry)))
        yield record


def _finish(record: Record, last: Entry) -> Record:
    """Do what is left of a change whose writer was ended; one to a version that was deleted since is given up."""
    aliases = record.aliases
    if aliases != last.after and last.left_at(aliases):
        if not _all_exist(last.after):
            decisions.close(last, given_up=True)
            return decisions.read()
        _serve(aliases, last.after)
        _follow(aliases, last.after)
        aliases = last.after
    return Record(aliases, (*record.entries[:-1], decisions.close(last)))


def serve(record: Record, version: int, action: Action, *, by: str, why: str) -> Promotion:
    """Make ``version`` the champion, inside ``settled``.

    Raises:
        RegistryError: there is no such version, or it has to be trained again.
    """
    check_remembers_nobody(versions.get(version))
    before = record.aliases
    after = Aliases(version, before.previous if before.champion is None else before.champion)
    entry = decisions.append(record, action, after, by=by, why=why)
    _serve(before, after)
    # It is served: what is left is done by whoever comes next, if the registry is away now.
    with suppress(TrackingError), mlflow_answers():
        _follow(before, after)
        decisions.close(entry)
        _let_the_newest_count(entry)
    return Promotion(version, after.previous, changed=True, approved_by="" if by == GATE else by)


def _let_the_newest_count(ours: Entry) -> None:
    """Where the next promoter finished our move for us, our own may have reached the registry after its one."""
    record = decisions.read()
    if record.last and record.last.logged != ours.logged:
        _serve(record.aliases, record.last.after)
        _follow(record.aliases, record.last.after)


def check_remembers_nobody(version: Version) -> None:
    """Refuse a version that may know somebody who was forgotten since.

    Raises:
        RegistryError: if so.
    """
    if reason := version.retrain_reason:
        raise RegistryError(
            f"Expected a version that may be served. Received: version {version.number}, which {reason} && facesent "
            "promote. Until then the champion serves on; facesent models lists what else there is."
        )


def may_be_served(verdict: Verdict, *, replace_incomparable: bool) -> bool:
    """Whether the verdict, or a person who overrules it, allows to serve the candidate."""
    return verdict.outcome == "VALIDATED" or (verdict.incomparable and replace_incomparable)


def why_withdrawn(record: Record, version: int) -> str:
    """A sentence if the version, or its weights, were rolled back and not served again since, else nothing."""
    if entry := record.withdrawal_of(version):
        return f"Version {version} was rolled back on {entry.when[:10]}. To serve it again: facesent rollback {version}"
    if entry := record.withdrawal_of(*versions.sharing_model_of(version)):
        return (
            f"Version {version} has the weights of version {entry.before.champion}, which was rolled back on "
            f"{entry.when[:10]}. To serve them again: facesent rollback {version}"
        )
    return ""


def check_fresh(record: Record, candidate: int, against: int | None) -> None:
    """Refuse to replace a champion that the candidate was not held against.

    Raises:
        StaleVerdictError: if so.
    """
    champion = record.aliases.champion
    if champion != against:
        raise StaleVerdictError(
            f"Expected version {candidate} to be judged against the champion, version {champion}. Received: a verdict "
            f"against {'no champion' if against is None else f'version {against}'}. Judge it again: facesent promote"
        )


def _check_passed(record: Record, version: Version) -> None:
    verdict, approval = version.tags.get(VERDICT_TAG, "none"), decisions.approval_in(version.tags)
    agreed = approval is None or approval.state == "approved"
    if not (record.was_champion(version.number) or (verdict == "VALIDATED" and agreed)):
        said = f"verdict {verdict}" if agreed or approval is None else approval.sentence
        raise RegistryError(
            f"Expected a version that passed the gate. Received: version {version.number}, {said}. See: facesent models"
        )


def _all_exist(aliases: Aliases) -> bool:
    return all(versions.exists(version) for version in (aliases.champion, aliases.previous) if version is not None)


def _serve(before: Aliases, after: Aliases) -> None:
    """First of all: until ``previous`` follows, both name versions that were served."""
    if after.champion is not None and after.champion != before.champion:
        versions.set_alias(CHAMPION, after.champion)


def _follow(before: Aliases, after: Aliases) -> None:
    if after.previous is not None and after.previous != before.previous:
        versions.set_alias(PREVIOUS, after.previous)
    if after.champion is not None:
        versions.show_description_of(after.champion)
