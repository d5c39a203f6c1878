"""Promoters that share a registry and no disk: no lock keeps them apart."""

from contextlib import nullcontext
from pathlib import Path
from shutil import copy

import pytest
from mlflow.tracking import MlflowClient

from facesent.core.ports import free_port
from facesent.promotion import aliases
from facesent.registry import decisions, versions
from facesent.registry.decisions import LOG, Aliases, OvertakenError
from tests.helpers import promoters
from tests.helpers.tracking_server import tracking_server

pytestmark = pytest.mark.slow


@pytest.mark.long
def test_promoters_in_folders_of_their_own_leave_one_history(
    tmp_path: Path, empty_mlflow_database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy(empty_mlflow_database, tmp_path / "mlflow.db")
    port = free_port()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
    with tracking_server(tmp_path, port):
        race(6, tmp_path, monkeypatch)


@pytest.mark.long
@pytest.mark.usefixtures("mlflow_in_postgres")
def test_promoters_that_share_a_database_and_no_folder_leave_one_history(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    race(8, tmp_path, monkeypatch)


def race(count: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Promote so many versions at once, each from a folder of its own."""
    promoters.make_versions(count)
    started = []
    for version in range(1, count + 1):
        clone = folder / f"clone-{version}"
        clone.mkdir()
        monkeypatch.chdir(clone)
        started.append(promoters.start(promoters.promote_until_fresh, version))
    assert promoters.join(started) == [0] * count
    assert sorted(entry.after.champion or 0 for entry in decisions.read().entries) == list(range(1, count + 1))
    promoters.assert_one_chain()


@pytest.mark.usefixtures("each_store")
def test_of_two_that_found_the_same_champion_the_first_counts() -> None:
    promoters.make_versions(3)
    promoters.promote(1)
    found = decisions.read()
    decisions.close(decisions.append(found, "promote", Aliases(2, 1), by="gate", why="Better."))
    with pytest.raises(OvertakenError, match="somebody was quicker"):
        decisions.append(found, "promote", Aliases(3, 1), by="gate", why="Better.")
    assert [entry.after.champion for entry in decisions.read().entries] == [1, 2]
    assert len(MlflowClient().search_model_versions(f"name='{LOG}'")) == 3


@pytest.mark.usefixtures("each_store")
def test_who_was_overtaken_looks_again(monkeypatch: pytest.MonkeyPatch) -> None:
    promoters.make_versions(2)
    monkeypatch.setattr(aliases, "alone_with_registry", nullcontext)
    append, others = decisions.append, [1]

    def slow(*arguments: object, **named: object) -> object:
        if others:
            promoters.promote(others.pop())
        return append(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(decisions, "append", slow)
    with pytest.raises(aliases.StaleVerdictError, match=r"version 1\. Received: a verdict against no champion"):
        promoters.promote(2)
    assert decisions.read().aliases == Aliases(1, None)
    promoters.assert_one_chain()


@pytest.mark.usefixtures("each_store")
def test_an_alias_that_is_moved_late_goes_where_the_newest_entry_says(monkeypatch: pytest.MonkeyPatch) -> None:
    promoters.make_versions(2)
    monkeypatch.setattr(aliases, "alone_with_registry", nullcontext)
    set_alias, others = versions.set_alias, [2]

    def slow(alias: str, version: int) -> None:
        if others:
            # Finds the entry of the slow one, and finishes it.
            aliases.promote(promoters.verdict_on(others.pop(), champion=1))
        set_alias(alias, version)

    monkeypatch.setattr(versions, "set_alias", slow)
    promoters.promote(1)
    assert decisions.read().aliases == Aliases(2, 1)
    promoters.assert_one_chain()
