"""A person's word before a version that passed the gate is served (``gate.approval`` in ``params.yaml``)."""

from dataclasses import replace

from facesent.promotion.aliases import (
    Promotion,
    again_if_overtaken,
    check_fresh,
    check_remembers_nobody,
    may_be_served,
    serve,
    settled,
    why_withdrawn,
)
from facesent.promotion.verdict import Verdict
from facesent.registry import decisions, versions
from facesent.registry.client import mlflow_answers
from facesent.registry.decisions import Approval, Record
from facesent.registry.versions import REASON_TAG, VERDICT_TAG, RegistryError, Version


@mlflow_answers()
@again_if_overtaken
def ask(verdict: Verdict, *, replace_incomparable: bool = False) -> Approval | None:
    """Ask whether the candidate may be served, unless that was answered already.

    A rejection stays: a nightly flow does not ask again for the same version. An approval holds for one promotion, over
    the champion that the candidate was judged against.

    Args:
        verdict: the gate's.
        replace_incomparable: ask also where the champion could not be compared.

    Returns:
        the question or its answer; None where there is nothing to ask, for ``promote`` will not serve the candidate
        anyhow, or it is served.
    """
    with settled() as record:
        candidate = verdict.candidate
        passed = may_be_served(verdict, replace_incomparable=replace_incomparable)
        if not passed or record.aliases.champion == candidate or why_withdrawn(record, candidate):
            return None
        known = decisions.approval_of(candidate)
        over = known and known.state == "approved" and (known.against != verdict.champion or _spent(record, known))
        if known is None or over:
            return decisions.keep(Approval(candidate, "waiting", verdict.champion, decisions.now()))
        renewed = replace(known, against=verdict.champion)
        return known if renewed == known else decisions.keep(renewed)


@mlflow_answers()
@again_if_overtaken
def approve(version: int, *, by: str, reason: str = "") -> Promotion:
    """Agree that a version that was asked about is served, and make it champion.

    Also changes a rejection. A second approval changes nothing, and repeats the promotion if that was interrupted.

    Raises:
        RegistryError: if nobody asked about this version, or the gate has rejected it since.
        StaleVerdictError: if the champion is another one than when it was judged.
    """
    with settled() as record:
        registered = versions.get(version)
        known = _known(registered)
        if record.aliases.champion == version:
            note = f"Version {version} is champion already."
            return Promotion(version, record.aliases.previous, changed=False, note=note, approved_by=known.by)
        if known.state == "approved" and _spent(record, known):
            raise RegistryError(
                f"Expected a version that waits for approval. Received: {version}, which has already been approved and "
                f"served. To serve it again: facesent rollback {version}"
            )
        _check_not_rejected(registered)
        check_fresh(record, version, known.against)
        check_remembers_nobody(registered)
        if known.state != "approved":
            known = decisions.keep(replace(known, state="approved", when=decisions.now(), by=by, reason=reason))
        why = known.reason or registered.tags.get(REASON_TAG, "")
        return serve(record, version, "promote", by=known.by, why=why)


@mlflow_answers()
@again_if_overtaken
def reject(version: int, *, by: str, reason: str = "") -> Approval:
    """Keep a version that was asked about from being served.

    Raises:
        RegistryError: if nobody asked about this version, or it is served.
    """
    with settled() as record:
        known = _known(versions.get(version))
        if record.aliases.champion == version:
            raise RegistryError(
                f"Expected a version that is not served. Received: {version}, the champion. "
                "To go back: facesent rollback"
            )
        if known.state == "rejected":
            return known
        return decisions.keep(replace(known, state="rejected", when=decisions.now(), by=by, reason=reason))


def _check_not_rejected(version: Version) -> None:
    """The gate may have judged it again since it was asked about, on other images or with other thresholds."""
    if version.tags.get(VERDICT_TAG) == "REJECTED":
        raise RegistryError(
            f"Expected a version that the gate lets pass. Received: version {version.number}, which it has rejected "
            f"since: {version.tags.get(REASON_TAG, '')} To judge it again: facesent promote"
        )


def _known(version: Version) -> Approval:
    known = decisions.approval_in(version.tags)
    if known is None:
        waiting = ", ".join(map(str, decisions.waiting())) or "none"
        raise RegistryError(
            f"Expected a version that waits for approval. Received: version {version.number}, which does not. Waiting: "
            f"{waiting}. With gate.approval: true, facesent promote asks for approval."
        )
    return known


def _spent(record: Record, approval: Approval) -> bool:
    """Whether the version was served since it was approved."""
    entry = record.promotion_of(approval.version)
    return entry is not None and entry.when >= approval.when
