import pytest
from mlflow.tracking import MlflowClient

from facesent.registry import forgetting, runs

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
