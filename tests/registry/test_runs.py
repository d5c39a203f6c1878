import subprocess
import sys
from pathlib import Path

import mlflow
import pytest

from facesent.core.errors import TrackingError
from facesent.registry import runs

KILLED = """
import os
from facesent.registry import runs
print(runs.begin("left", {}), flush=True)
os.kill(os.getpid(), 9)
"""

pytestmark = pytest.mark.usefixtures("each_store")


def parent(fingerprint: str = "plan") -> str:
    return runs.begin("3 folds", {"train.epochs": 2}, fingerprint=fingerprint, tags={"preset": "quick"})


def test_a_parent_is_found_again_by_its_fingerprint() -> None:
    first = parent()
    assert parent() == first
    assert parent("another plan") != first
    run = mlflow.get_run(first)
    assert (run.data.params, run.data.tags["preset"], run.info.status) == ({"train.epochs": "2"}, "quick", "RUNNING")


def test_children_are_their_parents_and_found_again_by_fingerprint() -> None:
    one, two = parent("one"), parent("two")
    child = runs.begin("fold 1", {"fold": 1}, fingerprint="fold", parent=one)
    assert runs.begin("fold 1", {"fold": 1}, fingerprint="fold", parent=one) == child
    assert runs.begin("fold 1", {"fold": 1}, fingerprint="fold", parent=two) != child
    assert mlflow.get_run(child).data.tags["mlflow.parentRunId"] == one


@pytest.mark.parametrize(("status", "goes_on"), [("FINISHED", False), ("RUNNING", False), ("KILLED", True)])
def test_of_another_machine_only_what_ended_early_is_gone_on_with(status: str, goes_on: bool) -> None:
    theirs = parent()
    client = mlflow.MlflowClient()
    client.set_tag(theirs, runs.PROCESS_TAG, "elsewhere boot 1 1")
    client.update_run(theirs, status=status)
    assert (parent() == theirs) is goes_on


def test_finished_children_come_with_their_curves_and_results() -> None:
    plan = parent()
    for fold in (1, 2):
        child = runs.begin(f"fold {fold}", {"fold": fold}, fingerprint=f"fingerprint {fold}", parent=plan)
        runs.log_epoch(child, 0, {"val_loss": 0.5})
        runs.log_epoch(child, 1, {"val_loss": 0.25})
        if fold == 1:
            runs.finish(child, {"held_out_accuracy": 0.9, "recall/Ängste!": 1.0})
    [(fingerprint, run_id)] = runs.finished_children(plan).items()
    finished = mlflow.get_run(run_id)
    assert (fingerprint, finished.info.run_name, finished.data.params) == ("fingerprint 1", "fold 1", {"fold": "1"})
    assert finished.data.metrics == {"epoch/val_loss": 0.25, "held_out_accuracy": 0.9, "recall/Ängste_": 1.0}
    curve = mlflow.MlflowClient().get_metric_history(run_id, "epoch/val_loss")
    assert [(point.step, point.value) for point in curve] == [(1, 0.5), (2, 0.25)]


@pytest.mark.parametrize(("error", "status"), [(ValueError, "FAILED"), (KeyboardInterrupt, "KILLED")])
def test_a_child_says_how_it_ended_and_goes_on_later(error: type[BaseException], status: str) -> None:
    plan = parent()
    run_id = runs.begin("fold 1", {}, fingerprint="fold", parent=plan)
    with pytest.raises(error), runs.recorded(run_id):
        raise error
    assert mlflow.get_run(run_id).info.status == status
    assert runs.finished_children(plan) == {}
    again = runs.begin("fold 1", {}, fingerprint="fold", parent=plan)
    runs.finish(again)
    assert again == run_id
    assert runs.finished_children(plan) == {"fold": run_id}


def test_more_settings_than_mlflow_takes_at_once_are_logged() -> None:
    settings = {f"key_{index}": index for index in range(250)}
    run = runs.begin("many", settings)
    assert len(mlflow.get_run(run).data.params) == 250


def test_files_are_kept_with_the_run(tmp_path: Path) -> None:
    (tmp_path / "summary.md").write_text("1 ± 0")
    run = parent()
    runs.log_files(run, [tmp_path / "summary.md"])
    assert [entry.path for entry in mlflow.MlflowClient().list_artifacts(run)] == ["summary.md"]


def test_an_artifact_is_read_where_the_run_has_it() -> None:
    run = parent()
    runs.log_bytes(run, "notes/seen.txt", "1 ± 0".encode())
    runs.log_bytes(run, "damaged.txt", b"\xff")
    assert runs.read_text(run, "notes/seen.txt") == "1 ± 0"
    assert (runs.read_bytes(run, "damaged.txt"), runs.read_text(run, "damaged.txt")) == (b"\xff", None)
    for run_id, artifact in (
        (run, "notes/other.txt"),
        (run, "a/b.txt"),
        ("0" * 32, "notes/seen.txt"),
        ("", "seen.txt"),
    ):
        assert (runs.read_bytes(run_id, artifact), runs.read_text(run_id, artifact)) == (None, None)


def test_an_artifact_store_that_is_away_does_not_say_that_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    address = "http://127.0.0.1:9/api/2.0/mlflow-artifacts/artifacts"
    mlflow.MlflowClient().create_experiment(runs.EXPERIMENT, artifact_location=address)
    with pytest.raises(TrackingError, match="Connection refused"):
        runs.read_text(parent(), "notes/seen.txt")


def test_a_store_that_cannot_be_had_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"file://{tmp_path}")
    with pytest.raises(TrackingError, match="MLFLOW_TRACKING_URI"):
        parent()


def test_a_run_whose_process_was_killed_is_marked_by_whoever_comes_next() -> None:
    command = [sys.executable, "-c", KILLED]
    left = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    assert mlflow.get_run(left).info.status == "RUNNING"
    mine = runs.begin("mine", {})
    runs.begin("next", {})
    assert mlflow.get_run(left).info.status == "KILLED"
    assert mlflow.get_run(mine).info.status == "RUNNING"


def test_what_runs_on_another_machine_is_left_alone() -> None:
    elsewhere = runs.begin("elsewhere", {})
    runs.tag_run(elsewhere, {runs.PROCESS_TAG: "another-host a-boot 1 0"})
    runs.begin("next", {})
    assert mlflow.get_run(elsewhere).info.status == "RUNNING"


def test_a_process_that_has_the_id_of_one_before_it_is_another_one() -> None:
    left = runs.begin("left", {})
    host, boot, pid, created = mlflow.get_run(left).data.tags[runs.PROCESS_TAG].rsplit(" ", 3)
    runs.tag_run(left, {runs.PROCESS_TAG: f"{host} {boot} {pid} {float(created) - 60:.0f}"})
    runs.begin("next", {})
    assert mlflow.get_run(left).info.status == "KILLED"
