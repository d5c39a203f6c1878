import pandas as pd
import pytest
from mlflow.tracking import MlflowClient

from facesent.dataset.assignment import COLUMNS, table_of, text_of
from facesent.registry import artifacts, forgetting, runs

CURVE = "plots/curve.png"


@pytest.mark.usefixtures("mlflow_store")
def test_the_runs_of_other_projects_keep_their_pictures() -> None:
    client = MlflowClient()
    moved = runs.begin("ours, in an experiment that somebody renamed", {})
    client.rename_experiment(runs.experiment_id(client), "old")
    by_hand = client.create_run(runs.experiment_id(client)).info.run_id
    theirs = client.create_run(client.create_experiment("theirs")).info.run_id
    for run_id in (moved, by_hand, theirs):
        client.log_text(run_id, "a picture", CURVE)
    removed = forgetting.remove_pictures(
        lambda rows: rows["content"] != "", lambda table: table["file_name"] != "", lambda name: False
    )
    assert [runs.read_text(run_id, CURVE) for run_id in (moved, by_hand, theirs)] == [None, None, "a picture"]
    assert removed == 2


@pytest.mark.usefixtures("mlflow_store")
def test_no_run_keeps_the_split_of_an_image_that_is_forgotten() -> None:
    client = MlflowClient()
    rows = [[digit * 16, "", digit * 16, split, "", ""] for digit, split in (("a", "train"), ("b", "test"))]
    text = text_of(pd.DataFrame(rows, columns=list(COLUMNS)))
    here, deleted = (runs.begin(name, {}, resume=False) for name in ("here", "deleted"))
    damaged = runs.begin("damaged", {})
    for run_id in (here, deleted):
        client.log_text(run_id, text, artifacts.ASSIGNMENT)
    client.log_text(damaged, "<<<<<<<", artifacts.ASSIGNMENT)
    client.delete_run(deleted)
    forgetting.forget_splits(lambda rows: rows[rows["content"] != "b" * 16])
    for run_id in (here, deleted):
        left = runs.read_text(run_id, artifacts.ASSIGNMENT)
        assert left is not None
        assert list(table_of(left, "table")["content"]) == ["a" * 16]
    assert runs.read_text(damaged, artifacts.ASSIGNMENT) is None
