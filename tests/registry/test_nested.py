from pathlib import Path

import mlflow
import pytest

from facesent.core.errors import TrackingError
from facesent.registry import nested, runs

pytestmark = pytest.mark.usefixtures("mlflow_store")


def parent(key: str = "plan") -> str:
    return nested.begin_parent("3 folds", {"preset": "quick"}, {"train.epochs": 2}, key)


def test_a_parent_is_found_again_by_its_key() -> None:
    first = parent()
    assert parent() == first
    assert parent("another plan") != first
    run = mlflow.get_run(first)
    assert (run.data.params, run.data.tags["preset"], run.info.status) == ({"train.epochs": "2"}, "quick", "RUNNING")


def test_children_are_their_parents_and_found_again_by_key() -> None:
    one, two = parent("one"), parent("two")
    child = nested.begin_child(one, "fold 1", {"fold": 1}, "key")
    assert nested.begin_child(one, "fold 1", {"fold": 1}, "key") == child
    assert nested.begin_child(two, "fold 1", {"fold": 1}, "key") != child
    assert mlflow.get_run(child).data.tags["mlflow.parentRunId"] == one


def test_finished_children_come_with_their_curves_and_results() -> None:
    plan = parent()
    for fold in (1, 2):
        child = nested.begin_child(plan, f"fold {fold}", {"fold": fold}, f"key {fold}")
        runs.log_epoch(child, 0, {"val_loss": 0.5})
        runs.log_epoch(child, 1, {"val_loss": 0.25})
        if fold == 1:
            nested.finish(child, {"held_out_accuracy": 0.9, "recall/Ängste!": 1.0})
    [finished] = nested.finished_children(plan)
    assert (finished.name, finished.key, finished.params) == ("fold 1", "key 1", {"fold": "1"})
    assert finished.metrics == {"val_loss": 0.25, "held_out_accuracy": 0.9, "recall/Ängste_": 1.0}
    curve = mlflow.MlflowClient().get_metric_history(finished.run_id, "val_loss")
    assert [(point.step, point.value) for point in curve] == [(1, 0.5), (2, 0.25)]


@pytest.mark.parametrize(("error", "status"), [(ValueError, "FAILED"), (KeyboardInterrupt, "KILLED")])
def test_a_child_says_how_it_ended_and_goes_on_later(error: type[BaseException], status: str) -> None:
    plan = parent()
    with pytest.raises(error), nested.recorded_child(plan, "fold 1", {}, "key") as run_id:
        raise error
    assert mlflow.get_run(run_id).info.status == status
    assert nested.finished_children(plan) == []
    with nested.recorded_child(plan, "fold 1", {}, "key") as again:
        nested.finish(again, {})
    assert again == run_id
    assert [child.run_id for child in nested.finished_children(plan)] == [run_id]


def test_more_settings_than_mlflow_takes_at_once_are_logged() -> None:
    settings = {f"key_{index}": index for index in range(250)}
    run = nested.begin_parent("many", {}, settings, "many")
    assert len(mlflow.get_run(run).data.params) == 250


def test_files_are_kept_with_the_run(tmp_path: Path) -> None:
    (tmp_path / "summary.md").write_text("1 ± 0")
    run = parent()
    nested.log_files(run, [tmp_path / "summary.md"])
    assert [entry.path for entry in mlflow.MlflowClient().list_artifacts(run)] == ["summary.md"]


def test_a_store_that_cannot_be_had_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"file://{tmp_path}")
    with pytest.raises(TrackingError, match="MLFLOW_TRACKING_URI"):
        parent()
