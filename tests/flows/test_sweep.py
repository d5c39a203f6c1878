"""A real sweep of real trainings: killed, gone on with by the flow, and applied."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.objects import State

from facesent.core.paths import Project
from facesent.params import load_params
from flows.sweep import _parser, _same_search, main, sweep
from tests.helpers.processes import survivors
from tests.helpers.tables import cells

pytestmark = [
    pytest.mark.slow,
    pytest.mark.long,
    pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning"),
]

SetParams = Callable[[Path, Mapping[str, Mapping[str, Any]]], None]

RATE = "train.optimizer.learning_rate"
# With this seed trials 0 and 1 draw the small rate, and trial 2 the one that diverges.
SWEEP = {
    "trials": 3,
    "warmup_epochs": 1,
    "seed": 5,
    "space": {RATE: {"choices": [0.0003, 1000.0]}, "model.dropout": {"low": 0.0, "high": 0.5}},
}
WITHOUT_PREFECT = """
import sys
from facesent.params import load_params
from facesent.core.paths import Project
from facesent.experiments.sweep import sweeping

def log(line):
    print(line, flush=True)
    if line.startswith(sys.argv[1]):
        sys.stdin.read()

project = Project()
with sweeping(project, load_params(project.params), "val_loss", {}) as sweep:
    while sweep.missing:
        sweep.run(sweep.next_trial(), log)
"""


@dataclass(frozen=True)
class Swept:
    """A project whose sweep was killed in trial 1, and the flow's end that went on with it."""

    project: Project
    state: "State[Any]"
    orphans: list[psutil.Process]


@pytest.fixture(scope="module")
def swept(small_project: Path, set_params: SetParams, prefect_server: None) -> Iterator[Swept]:
    """Trial 0 and an epoch of trial 1 without Prefect, the rest in the flow."""
    set_params(small_project, {"train": {"epochs": 2}, "sweep": SWEEP})
    subprocess.run([sys.executable, "-m", "dvc", "repro", "--quiet", "split"], cwd=small_project, check=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(small_project)
        # The test's process may have used another store before.
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{small_project / 'mlflow.db'}")
        orphans = survivors(killed_after("trial 1: epoch   1/2"))
        yield Swept(Project(small_project), sweep(metric="val_loss", return_state=True), orphans)


def killed_after(line: str) -> list[psutil.Process]:
    """Kill a sweep when it printed ``line``, at which it stops; the processes that it leaves."""
    command = [sys.executable, "-c", WITHOUT_PREFECT, line]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert any(printed.startswith(line) for printed in process.stdout)
        children = psutil.Process(process.pid).children(recursive=True)
        process.kill()
    assert children, "the trial's"
    return children


def of_flow(state: "State[Any]") -> FlowRunFilter:
    return FlowRunFilter.model_validate({"id": {"any_": [state.state_details.flow_run_id]}})


def runs() -> dict[str, Any]:
    """MLflow's runs by name."""
    import mlflow

    found = mlflow.search_runs(search_all_experiments=True, output_format="list")
    by_name = {run.info.run_name: run for run in found}
    assert len(by_name) == len(found)
    return by_name


def test_a_killed_sweep_takes_its_trial_along(swept: Swept) -> None:
    assert swept.orphans == []


def test_the_flow_runs_what_is_left_one_task_a_trial(swept: Swept) -> None:
    assert swept.state.is_completed(), swept.state.message
    with get_client(sync_client=True) as client:
        tasks = client.read_task_runs(flow_run_filter=of_flow(swept.state))
        shown = {
            artifact.key: str(artifact.data) for artifact in client.read_artifacts(flow_run_filter=of_flow(swept.state))
        }
    assert {task.name for task in tasks} == {"split", "trial-1", "trial-2"}
    assert {"trial-1", "trial-2", "sweep"} <= shown.keys()
    assert "pruned" in {cell for row in cells(shown["sweep"]) for cell in row}
    assert "dvc exp run -S" in shown["sweep"]


def test_a_diverging_trial_is_pruned_and_none_is_repeated(swept: Swept) -> None:
    trials = swept.state.result().trials.set_index("trial").sort_index()
    assert trials.index.tolist() == [0, 1, 2]
    assert trials[RATE].tolist() == [0.0003, 0.0003, 1000.0]
    assert (trials["state"][0], trials["state"][2]) == ("complete", "pruned")
    assert (trials["epochs"][0], trials["epochs"][1]) == (2, 2)


def test_the_command_that_comes_next_goes_on_with_the_same_search() -> None:
    options = _parser().parse_args(["--trials", "5", "--metric", "val_loss"])
    assert _same_search(options) == "python -m flows.sweep --trials 5 --metric val_loss"


def test_the_trials_are_nested_in_mlflow_with_their_curves(swept: Swept) -> None:
    import mlflow

    known = runs()
    parent = next(run for name, run in known.items() if name.startswith("sweep "))
    children = {name: run for name, run in known.items() if name.startswith("trial ")}
    assert {run.data.tags["mlflow.parentRunId"] for run in children.values()} == {parent.info.run_id}
    assert children.keys() == {f"trial {number}" for number in range(3)}
    assert children["trial 2"].info.status == "KILLED"
    assert children["trial 0"].data.params == {RATE: "0.0003", "model.dropout": "0.1"}
    client = mlflow.MlflowClient()
    curve = client.get_metric_history(children["trial 1"].info.run_id, "epoch/val_loss")
    assert [point.step for point in curve] == [1, 2], "the epoch before the kill is there once"
    assert parent.info.status == "FINISHED"
    files = {file.path for file in client.list_artifacts(parent.info.run_id)}
    assert files == {"best.yaml", "trials.csv", "history.png"}, "two trials are too few for an importance"


def test_the_best_values_are_written_and_applied(swept: Swept, capsys: pytest.CaptureFixture[str]) -> None:
    before = load_params(swept.project.params)
    best = load_params(swept.project.outputs / "sweep" / "best.yaml")
    assert main(["--metric", "val_loss", "--apply"]) == 0
    assert load_params(swept.project.params) == best
    changed = {key for key, value in best.flat().items() if before.flat()[key] != value}
    assert changed <= {RATE, "model.dropout"}
    printed = capsys.readouterr().out
    assert swept.state.result().sentence in printed
    assert "dvc repro" in printed


def test_a_study_that_cannot_be_read_is_told_in_a_line(swept: Swept, capfd: pytest.CaptureFixture[str]) -> None:
    database = swept.project.outputs / "sweep" / "study.db"
    kept = database.read_bytes()
    database.write_text("<html>" * 1000)
    try:
        assert main([]) == 1
    finally:
        database.write_bytes(kept)
    said = capfd.readouterr().err
    assert "study.db. Received: file is not a database. Free disk space" in said.splitlines()[-1]
    assert "Traceback" not in said


def test_a_wrong_key_is_refused_before_anything_starts(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(Path(__file__).parents[2] / "params.yaml", "params.yaml")
    settings = yaml.safe_load(Path("params.yaml").read_text())
    settings["sweep"]["space"] = {"train.learning_rate": {"low": 0.1, "high": 1.0}}
    Path("params.yaml").write_text(yaml.safe_dump(settings))
    assert main([]) == 1
    said = capsys.readouterr().err
    assert "train.learning_rate" in said
    assert f"or {RATE}?" in said
    assert {path.name for path in project.iterdir()} == {".dvc", ".git", "params.yaml"}
