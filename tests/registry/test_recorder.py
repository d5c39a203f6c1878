"""What MLflow holds of a training and its evaluation, and what it no longer shows."""

from pathlib import Path
from shutil import copy
from tempfile import TemporaryDirectory

import mlflow
import pandas as pd
import pytest

from facesent.core.paths import Project
from facesent.core.ports import free_port
from facesent.core.watching import Epoch, Start
from facesent.images.batches import training_examples
from facesent.images.rows import read_split
from facesent.params import load_params
from facesent.registry.recorder import Recorder, record
from facesent.registry.sheets import save_augmentation_sheets
from facesent.run import run
from tests.helpers.tracking_server import tracking_server
from tests.helpers.trained_project import make_project

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("mlflow_store")]

LABELS = ("Dark", "Light")
START = Start("fingerprint", "float32", None, 2, (), {"train": pd.DataFrame({"label": ["A"]})})


@pytest.fixture
def away_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No second question to a server that is away."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")


def the_run() -> mlflow.entities.Run:
    [found] = mlflow.search_runs(search_all_experiments=True, output_format="list")
    return found


def hide(made: Project, *labels: str) -> None:
    text = made.params.read_text()
    old = next(line for line in text.splitlines() if line.strip().startswith("no_thumbnails:"))
    made.params.write_text(text.replace(old, f"  no_thumbnails: [{', '.join(labels)}]"))


def sheets_in_mlflow(run_id: str) -> dict[str, bytes]:
    with TemporaryDirectory() as folder:
        got = Path(mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path="augmentation", dst_path=folder))
        return {file.name: file.read_bytes() for file in got.iterdir()}


def sheets_without(made: Project, *hidden: str) -> dict[str, bytes]:
    params = load_params(made.params)
    examples = training_examples(
        made.data, read_split(made.split("train")), LABELS, params.model.image_size, spill=made.outputs
    )
    with TemporaryDirectory() as folder:
        files = save_augmentation_sheets(
            examples, LABELS, params.train.augment, params.train.seed, Path(folder), list(hidden)
        )
        return {file.name: file.read_bytes() for file in files}


def test_a_class_that_is_hidden_leaves_every_picture_of_its_run(project: Path) -> None:
    made = make_project(project)
    run_id = the_run().info.run_id
    shown = sheets_in_mlflow(run_id)
    assert shown == sheets_without(made)
    hide(made, "Dark")
    run("evaluate", made)
    assert sheets_in_mlflow(run_id) == sheets_without(made, "Dark") != shown
    hide(made, *LABELS)
    run("evaluate", made)
    assert "augmentation" not in {entry.path for entry in mlflow.artifacts.list_artifacts(run_id=run_id)}
    assert the_run().info.run_id == run_id


def test_a_run_that_mlflow_lost_is_written_anew_and_then_left_alone(project: Path, mlflow_store: Path) -> None:
    made, params = make_project(project), load_params(Project(project).params)
    mlflow.MlflowClient().delete_run(the_run().info.run_id)
    run_id = record(made, params).run_id
    written = the_run()
    assert (written.info.run_id, written.data.tags["recorded"], written.info.status) == (
        run_id,
        "afterwards",
        "FINISHED",
    )
    assert {"val_accuracy", "test_accuracy"} <= set(written.data.metrics)
    # MLflow's page of charts has a section of each of these, by the alphabet, before the names without a slash.
    assert min(name for name in written.data.metrics if "/" in name).startswith("epoch/")
    before = mlflow_store.read_bytes()
    assert record(made, params).run_id == run_id
    assert mlflow_store.read_bytes() == before


@pytest.mark.usefixtures("away_at_once")
def test_an_epoch_that_mlflow_did_not_take_is_given_again(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = make_project(project)
    recorder = Recorder(made, load_params(made.params))
    recorder.started(START)
    with monkeypatch.context() as away:
        away.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
        recorder.epoch(Epoch(0, {"val_loss": 0.5}, best=True, seconds=1.0))
    recorder.epoch(Epoch(1, {"val_loss": 0.25}, best=True, seconds=1.0))
    recorder.ended(KeyboardInterrupt())
    killed = next(
        each
        for each in mlflow.search_runs(search_all_experiments=True, output_format="list")
        if each.data.tags.get("facesent.fingerprint") == "fingerprint"
    )
    curve = mlflow.MlflowClient().get_metric_history(killed.info.run_id, "epoch/val_loss")
    assert [(point.step, point.value) for point in curve] == [(1, 0.5), (2, 0.25)]
    assert killed.info.status == "KILLED"


@pytest.mark.usefixtures("away_at_once")
@pytest.mark.long
def test_a_server_that_went_away_has_every_epoch_in_the_end(
    project: Path, tmp_path: Path, empty_mlflow_database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy(empty_mlflow_database, tmp_path / "mlflow.db")
    made, port = make_project(project), free_port()
    params, rows = load_params(made.params), pd.read_csv(made.history, index_col="epoch").to_dict("records")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
    made.training_metrics.write_text('{"best_epoch": 1}')
    recorder = Recorder(made, params)
    with tracking_server(tmp_path, port):
        recorder.started(START)
        recorder.epoch(Epoch(0, rows[0], best=True, seconds=1.0))
    recorder.epoch(Epoch(1, rows[1], best=True, seconds=1.0))
    recorder.ended(None)
    with tracking_server(tmp_path, port):
        run_id = record(made, params).run_id
        found = the_run()
        assert (found.info.run_id, found.info.status) == (run_id, "FINISHED")
        assert "recorded" not in found.data.tags
        assert found.data.metrics["val_accuracy"] == rows[0]["val_accuracy"] != rows[1]["val_accuracy"]
        curve = mlflow.MlflowClient().get_metric_history(run_id, "epoch/val_loss")
        assert [(point.step, point.value) for point in curve] == [(1, 0.9), (2, 0.6)]
    assert not list(made.outputs.glob("unfinished*"))


def test_a_finished_run_gets_the_epochs_that_it_lacks(project: Path) -> None:
    made = make_project(project)
    history = pd.read_csv(made.history, index_col="epoch")
    pd.concat([history, history.rename(index={1: 3, 2: 4})]).to_csv(made.history)
    run_id = record(made, load_params(made.params)).run_id
    curve = mlflow.MlflowClient().get_metric_history(run_id, "epoch/val_loss")
    assert [(point.step, point.value) for point in curve] == [(1, 0.9), (2, 0.6), (3, 0.9), (4, 0.6)]


def test_the_model_is_logged_once_for_each_way_to_answer(project: Path) -> None:
    made = make_project(project)
    record(made, load_params(made.params))
    assert len(the_run().outputs.model_outputs) == 1
    made.params.write_text(made.params.read_text().replace("min_confidence: 0.0", "min_confidence: 0.5"))
    run("evaluate", made)
    assert len(the_run().outputs.model_outputs) == 2
