import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from mlflow.tracking import MlflowClient

from facesent.core.errors import FacesentError
from facesent.promotion import aliases
from facesent.promotion.aliases import Promotion
from facesent.promotion.verdict import Verdict
from facesent.registry import decisions
from facesent.registry.decisions import Aliases
from facesent.registry.listing import listed
from facesent.registry.versions import CHAMPION, NAME, PREVIOUS, RegistryError, set_alias
from tests.helpers import promoters

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("mlflow_store")]


def current() -> Aliases:
    return decisions.read().aliases


def end_after(write: int, act: Callable[..., Any], *arguments: Any) -> None:
    [status] = promoters.join([promoters.start(promoters.end_after_write, write, act, *arguments)])
    assert status == promoters.ENDED


def test_a_promotion_is_written_down_and_repeating_it_changes_nothing() -> None:
    promoters.make_versions(2)
    assert promoters.promote(1) == Promotion(1, None, changed=True)
    second = promoters.verdict_on(2, champion=1)
    assert aliases.promote(second) == Promotion(2, 1, changed=True)
    again = aliases.promote(second)
    assert (again.champion, again.previous, again.changed) == (2, 1, False)
    first, last = decisions.read().entries
    assert (first.after.champion, last.after, last.by, last.why) == (1, Aliases(2, 1), "gate", "Version 2 is better.")
    promoters.assert_one_chain()


@pytest.mark.parametrize("write", [1, 2, 3], ids=["written down", "champion moved", "previous moved"])
def test_a_promoter_that_is_killed_leaves_versions_that_passed_and_the_next_finishes(write: int) -> None:
    promoters.make_versions(4)
    for version in (1, 2):
        promoters.promote(version)
    end_after(write, promoters.promote, 3)
    assert current() in (Aliases(2, 1), Aliases(3, 1), Aliases(3, 2))
    again = aliases.promote(promoters.verdict_on(3, champion=2))
    assert (again.champion, again.previous) == (3, 2)
    assert promoters.promote(4) == Promotion(4, 3, changed=True)
    promoters.assert_one_chain()


@pytest.mark.parametrize("write", [1, 2, 3], ids=["written down", "champion moved", "previous moved"])
def test_a_rollback_that_is_killed_is_finished_by_repeating_it(write: int) -> None:
    promoters.make_versions(2)
    for version in (1, 2):
        promoters.promote(version)
    end_after(write, promoters.roll_back)
    assert current() in (Aliases(2, 1), Aliases(1, 1), Aliases(1, 2))
    repeated = aliases.rollback(by="bob")
    assert (repeated.champion, repeated.previous, repeated.changed) == (1, 2, False)
    promoters.assert_one_chain()


def test_a_rollback_after_a_killed_promoter_takes_back_what_that_one_decided() -> None:
    promoters.make_versions(3)
    for version in (1, 2):
        promoters.promote(version)
    end_after(1, promoters.promote, 3)
    assert aliases.rollback() == Promotion(2, 3, changed=True)
    promoters.assert_one_chain()


def test_eight_promoters_at_once_leave_one_history() -> None:
    promoters.make_versions(8)
    statuses = promoters.join([promoters.start(promoters.promote_until_fresh, version) for version in range(1, 9)])
    assert statuses == [0] * 8
    assert sorted(entry.after.champion or 0 for entry in decisions.read().entries) == list(range(1, 9))
    promoters.assert_one_chain()


@pytest.mark.long
def test_killed_promoters_among_others_leave_one_history() -> None:
    promoters.make_versions(8)
    killed = [promoters.start(promoters.end_after_write, write, promoters.promote, write) for write in (1, 2)]
    others = [promoters.start(promoters.promote_until_fresh, version) for version in range(3, 9)]
    assert promoters.join(others) == [0] * 6
    promoters.join(killed)
    promoters.promote_until_fresh(3)
    promoters.assert_one_chain()


def test_of_verdicts_against_the_same_champion_only_the_first_counts() -> None:
    promoters.make_versions(3)
    promoters.promote(1)
    verdicts = [promoters.verdict_on(version, champion=1) for version in (2, 3)]
    aliases.promote(verdicts[0])
    with pytest.raises(aliases.StaleVerdictError, match=r"champion, version 2\. Received: a verdict against version 1"):
        aliases.promote(verdicts[1])
    assert current() == Aliases(2, 1)


@pytest.mark.parametrize("outcome", ["REJECTED", "UNKNOWN"])
def test_what_did_not_pass_is_not_promoted_on_demand_either(outcome: Any) -> None:
    promoters.make_versions(1)
    verdict = Verdict(outcome, "The server did not start.", 1, None, ())
    assert not aliases.promote(verdict, replace_incomparable=True).changed
    assert current() == Aliases(None, None)


def test_a_version_that_was_rolled_back_stays_out_until_a_person_serves_it_again() -> None:
    promoters.make_versions(2)
    for version in (1, 2):
        promoters.promote(version)
    aliases.rollback(by="ann", why="confuses cats")
    tonight = promoters.promote(2)
    assert (tonight.champion, tonight.changed) == (1, False)
    assert "facesent rollback 2" in tonight.note
    assert aliases.rollback(2) == Promotion(2, 1, changed=True)
    assert decisions.read().withdrawal_of(2) is None
    promoters.assert_one_chain()


def test_weights_that_were_rolled_back_do_not_come_back_under_another_number() -> None:
    promoters.make_versions(3)
    for version in (1, 2):
        promoters.promote(version)
    aliases.rollback(by="ann", why="confuses cats")
    # What other settings of serve, or other served code, make of version 2.
    MlflowClient().set_model_version_tag(NAME, "3", "facesent.model_sha256", "weights 2")
    tonight = promoters.promote(3)
    assert (tonight.champion, tonight.changed) == (1, False)
    assert "the weights of version 2, which was rolled back" in tonight.note
    assert aliases.rollback(3).champion == 3
    assert promoters.promote(2).note.startswith("Version 2 was rolled back")


def test_a_rollback_of_a_version_that_is_not_champion_any_more_changes_nothing() -> None:
    promoters.make_versions(3)
    for version in (1, 2, 3):
        promoters.promote(version)
    late = aliases.rollback(1, by="facesent serve", instead_of=2)
    assert (late.champion, late.changed, late.note) == (3, False, "Version 2 is not champion any more.")
    assert aliases.rollback(2, by="facesent serve", instead_of=3).champion == 2
    promoters.assert_one_chain()


def test_rolling_back_to_a_version_needs_one_that_passed() -> None:
    promoters.make_versions(3)
    promoters.make_versions(1, verdict="REJECTED")
    for version in (1, 2, 3):
        promoters.promote(version)
    assert aliases.rollback(1) == Promotion(1, 3, changed=True)
    assert not aliases.rollback(1).changed
    with pytest.raises(FacesentError, match="version 4, verdict REJECTED"):
        aliases.rollback(4)
    with pytest.raises(FacesentError, match="Received: 5, which does not exist"):
        aliases.rollback(5)
    assert current() == Aliases(1, 3)


def test_aliases_moved_by_hand_are_respected() -> None:
    promoters.make_versions(3)
    for version in (1, 2):
        promoters.promote(version)
    set_alias(CHAMPION, 1)
    assert promoters.promote(3) == Promotion(3, 1, changed=True)


@pytest.mark.parametrize("previous", [1, 2, None])
def test_a_rollback_in_mlflows_pages_is_not_undone(previous: int | None) -> None:
    promoters.make_versions(3)
    for version in (1, 2, 3):
        promoters.promote(version)
    set_alias(CHAMPION, 2)
    if previous is None:
        MlflowClient().delete_registered_model_alias(NAME, PREVIOUS)
    else:
        set_alias(PREVIOUS, previous)
    third, second, _ = listed()
    assert third.why.startswith("rolled back by hand: From version 3, in MLflow's pages")
    assert second.why.startswith("rolled back to by hand")
    again = promoters.promote(3)
    assert (again.champion, again.changed) == (2, False)
    assert again.note.endswith("To serve it again: facesent rollback 3")
    assert decisions.read().entries[-1].by == "hand"
    assert aliases.rollback(3) == Promotion(3, 2, changed=True)
    assert current() == Aliases(3, 2)


def test_a_version_put_ahead_in_mlflows_pages_is_the_one_to_beat() -> None:
    promoters.make_versions(3)
    promoters.promote(1)
    set_alias(CHAMPION, 2)
    assert listed()[1].why.startswith("promoted by hand")
    assert promoters.promote(3) == Promotion(3, 2, changed=True)
    assert [entry.by for entry in decisions.read().entries] == ["gate", "hand", "gate"]


def test_a_champion_deleted_in_mlflows_pages_leaves_none_and_comes_back_on_demand() -> None:
    promoters.make_versions(2)
    for version in (1, 2):
        promoters.promote(version)
    MlflowClient().delete_registered_model_alias(NAME, CHAMPION)
    with pytest.raises(RegistryError, match="Received: champion None"):
        aliases.rollback()
    assert not promoters.promote(2).changed
    assert aliases.rollback(1) == Promotion(1, 1, changed=True)


def test_a_rollback_that_acted_does_not_fail(mlflow_store: Path) -> None:
    promoters.make_versions(2)
    for version in (1, 2):
        promoters.promote(version)
    MlflowClient().update_model_version(NAME, "1", "What it is good at.")
    with closing(sqlite3.connect(mlflow_store)) as database:
        # The registry takes the champion and no more.
        database.execute(
            "CREATE TRIGGER gone BEFORE UPDATE OF description ON registered_models "
            "BEGIN SELECT RAISE(ABORT, 'gone'); END"
        )
        assert aliases.rollback() == Promotion(1, 2, changed=True)
        assert current() == Aliases(1, 2)
        database.execute("DROP TRIGGER gone")
    assert aliases.rollback(2) == Promotion(2, 1, changed=True)
    promoters.assert_one_chain()


def test_a_registry_from_before_the_history_goes_on() -> None:
    promoters.make_versions(3)
    set_alias(CHAMPION, 2)
    set_alias(PREVIOUS, 1)
    assert promoters.promote(3) == Promotion(3, 2, changed=True)
    assert aliases.rollback() == Promotion(2, 3, changed=True)


def test_a_change_to_a_version_that_was_deleted_is_given_up() -> None:
    promoters.make_versions(3)
    for version in (1, 2):
        promoters.promote(version)
    end_after(1, promoters.promote, 3)
    MlflowClient().delete_model_version(NAME, "3")
    assert aliases.rollback() == Promotion(1, 2, changed=True)


def test_the_lock_lies_beside_the_database(mlflow_store: Any) -> None:
    promoters.make_versions(1)
    promoters.promote(1)
    assert mlflow_store.with_name("mlflow.db.lock").exists()
