from pathlib import Path

import pytest

from facesent.core.errors import FacesentError
from facesent.promotion import aliases, approval
from facesent.promotion.aliases import Promotion, StaleVerdictError
from facesent.promotion.verdict import Verdict
from facesent.registry import decisions, versions
from facesent.registry.decisions import Aliases
from facesent.registry.versions import REASON_TAG, VERDICT_TAG, RegistryError
from tests.helpers import promoters

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("mlflow_store")]


@pytest.fixture(autouse=True)
def four_versions(mlflow_store: Path) -> None:
    """Version 1 is champion."""
    promoters.make_versions(4)
    promoters.promote(1)


def state_after_asking(version: int, champion: int) -> str:
    verdict = promoters.verdict_on(version, champion)
    asked = approval.ask(verdict)
    aliases.promote(verdict, approval=asked)
    return asked.state if asked else "nothing to ask"


def test_without_an_answer_nothing_is_promoted() -> None:
    verdict = promoters.verdict_on(2, champion=1)
    result = aliases.promote(verdict, approval=approval.ask(verdict))
    assert (result.champion, result.changed) == (1, False)
    assert "facesent approve 2" in result.note


def test_an_approval_promotes_once_and_says_who_agreed() -> None:
    state_after_asking(2, champion=1)
    assert approval.approve(2, by="ann") == Promotion(2, 1, changed=True, approved_by="ann")
    again = approval.approve(2, by="bob")
    assert (again.champion, again.changed, again.approved_by) == (2, False, "ann")
    last = decisions.read().last
    assert last
    assert last.by == "ann"


@pytest.mark.parametrize("write", [1, 2, 3, 4], ids=["approved", "written down", "champion moved", "previous moved"])
def test_an_approval_that_is_killed_is_finished_by_repeating_it(write: int) -> None:
    state_after_asking(2, champion=1)
    [status] = promoters.join([promoters.start(promoters.end_after_write, write, promoters.approve, 2)])
    assert status == promoters.ENDED
    approval.approve(2, by="bob")
    record = decisions.read()
    assert record.aliases == Aliases(2, 1)
    assert [entry.by for entry in record.entries] == ["gate", "ann"]


def test_a_version_that_the_gate_has_rejected_since_is_not_served() -> None:
    state_after_asking(2, champion=1)
    versions.tag_version(2, {VERDICT_TAG: "REJECTED", REASON_TAG: "Failed: worst class recall."})
    with pytest.raises(RegistryError, match=r"rejected since: Failed: worst class recall\. To judge it again"):
        approval.approve(2, by="ann")
    assert decisions.waiting() == []
    versions.tag_version(2, {VERDICT_TAG: "VALIDATED"})
    assert approval.approve(2, by="ann").champion == 2


def test_a_rejection_stays_until_somebody_approves() -> None:
    state_after_asking(2, champion=1)
    approval.reject(2, by="ann", reason="half of the photos are of one person")
    assert state_after_asking(2, champion=1) == "rejected"
    assert decisions.read().aliases == Aliases(1, None)
    assert approval.approve(2, by="bob").champion == 2
    with pytest.raises(FacesentError, match="the champion"):
        approval.reject(2, by="ann")


def test_an_approval_over_another_champion_needs_another_verdict() -> None:
    state_after_asking(2, champion=1)
    state_after_asking(3, champion=1)
    approval.approve(3, by="ann")
    with pytest.raises(StaleVerdictError, match="version 3"):
        approval.approve(2, by="ann")
    assert state_after_asking(2, champion=3) == "waiting"
    assert approval.approve(2, by="ann") == Promotion(2, 3, changed=True, approved_by="ann")


def test_an_approval_holds_for_one_promotion() -> None:
    state_after_asking(2, champion=1)
    approval.approve(2, by="ann")
    aliases.rollback()
    assert state_after_asking(2, champion=1) == "nothing to ask", "it was rolled back"
    with pytest.raises(FacesentError, match="facesent rollback 2"):
        approval.approve(2, by="ann")
    assert decisions.read().aliases == Aliases(1, 2)


def test_nobody_is_asked_about_the_champion_or_what_did_not_pass() -> None:
    assert approval.ask(promoters.verdict_on(1, champion=None)) is None
    assert approval.ask(Verdict("REJECTED", "It is worse.", 2, 1, ())) is None
    with pytest.raises(FacesentError, match=r"which does not\. Waiting: none"):
        approval.approve(2, by="ann")


def test_a_version_that_waits_cannot_be_served_by_rolling_back_to_it() -> None:
    state_after_asking(2, champion=1)
    with pytest.raises(FacesentError, match="waits for approval"):
        aliases.rollback(2)
