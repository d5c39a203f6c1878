"""One cross-validation in two parts: killed after its first fold, then ended on a cluster of two Dask workers."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import psutil
import pytest
from distributed import Client, LocalCluster, get_task_stream
from mlflow.tracking import MlflowClient
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.objects import Artifact, State
from prefect.settings import PREFECT_API_URL

from facesent.core.paths import Project
from flows.clusters import task_runner
from flows.cross_validation import cross_validation, main
from tests.helpers.folds_project import images, make_project
from tests.helpers.processes import survivors
from tests.helpers.tables import cells
from tests.helpers.working_folders import working_folder

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("prefect_server")]

SECONDS = 300
Lines = list[str]


@dataclass(frozen=True)
class Started:
    """The flow as a command, in a process of its own."""

    process: "subprocess.Popen[str]"
    lines: Lines

    def read_until(self, pattern: str) -> None:
        """Wait for a line; the end of the process ends the wait."""
        for line in self.process.stdout or ():
            self.lines.append(line)
            if re.search(pattern, line):
                return
        raise AssertionError("".join(self.lines))

    def family(self) -> list[psutil.Process]:
        """All that it started."""
        return psutil.Process(self.process.pid).children(recursive=True)


@pytest.fixture(scope="module")
def project(own_home: Path, tmp_path_factory: pytest.TempPathFactory, empty_mlflow_database: Path) -> Iterator[Project]:
    """The working folder, with a tracking store of its own."""
    root = tmp_path_factory.mktemp("folds")
    with working_folder(root, empty_mlflow_database):
        yield make_project(root)


@pytest.fixture(scope="module")
def start(project: Project, prefect_server: None) -> Iterator[Callable[..., Started]]:
    """Start the command in the project; what is left of it ends with the tests."""
    started: list[Started] = []

    def run(*arguments: str) -> Started:
        process = subprocess.Popen(
            [sys.executable, "-m", "flows.cross_validation", *arguments],
            cwd=project.root,
            env={**os.environ, "PREFECT_API_URL": PREFECT_API_URL.value() or ""},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=_heed_interrupts,
        )
        started.append(Started(process, []))
        return started[-1]

    yield run
    for one in started:
        one.process.kill()
        one.process.communicate()


def _heed_interrupts() -> None:
    # A shell that started these tests in the background made them, and what they start, ignore SIGINT.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@dataclass(frozen=True)
class Killed:
    """What a kill after the first fold left."""

    survivors: list[psutil.Process]
    files: dict[str, tuple[int, bytes]]
    others: list[bool]


@pytest.fixture(scope="module")
def killed(project: Project, start: Callable[..., Started]) -> Killed:
    flow = start()
    flow.read_until("Task run 'fold-1'.*Finished")
    flow.read_until("fold 2: trains on")
    family = flow.family()
    assert family, "the process that trains fold 2"
    flow.process.kill()
    return Killed(survivors(family), files_of(project), [fold_of(project, fold).exists() for fold in (2, 3)])


@dataclass(frozen=True)
class Finished:
    """What the second run did."""

    state: "State[Any]"
    workers: set[str]


@pytest.fixture(scope="module")
def finished(project: Project, killed: Killed) -> Finished:
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        Client(cluster, set_as_default=False) as client,
        get_task_stream(client) as stream,
    ):
        runner = task_runner(cluster.scheduler_address, jobs=1)
        state = cross_validation.with_options(task_runner=runner)(return_state=True)
    return Finished(state, {task["worker"] for task in stream.data})


def fold_of(project: Project, fold: int) -> Path:
    return project.outputs / "cross_validation" / f"fold-{fold}"


def files_of(project: Project) -> dict[str, tuple[int, bytes]]:
    """Time and content of the first fold's files."""
    return {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in fold_of(project, 1).iterdir()}


def artifacts(state: "State[Any]") -> dict[str, Artifact]:
    run = FlowRunFilter.model_validate({"id": {"any_": [state.state_details.flow_run_id]}})
    with get_client(sync_client=True) as client:
        return {artifact.key or "": artifact for artifact in client.read_artifacts(flow_run_filter=run)}


def test_a_kill_takes_the_training_along_and_leaves_finished_folds_whole(killed: Killed) -> None:
    assert killed.survivors == []
    assert set(killed.files) == {"history.csv", "metrics.json", "predictions.csv"}
    assert killed.others == [False, False]


def test_the_next_run_trains_the_folds_that_are_left_in_two_dask_workers(
    finished: Finished, killed: Killed, project: Project
) -> None:
    assert finished.state.is_completed(), finished.state.message
    assert files_of(project) == killed.files, "fold 1 is not trained again"
    assert fold_of(project, 2).is_dir()
    assert fold_of(project, 3).is_dir()
    assert len(finished.workers) == 2


def test_each_fold_is_a_task(finished: Finished) -> None:
    run = FlowRunFilter.model_validate({"id": {"any_": [finished.state.state_details.flow_run_id]}})
    with get_client(sync_client=True) as client:
        tasks = client.read_task_runs(flow_run_filter=run)
    assert sorted(task.name for task in tasks) == ["fold-1", "fold-2", "fold-3"]
    assert all(task.state and task.state.is_completed() for task in tasks)


def test_each_image_but_those_of_test_is_predicted_once(finished: Finished, project: Project) -> None:
    predictions = pd.read_csv(project.outputs / "cross_validation" / "predictions.csv")
    expected = images().query("group not in ('person-0', 'person-1')")
    assert predictions["file_name"].tolist() == sorted(expected["file_name"])
    assert predictions.groupby("group")["fold"].nunique().max() == 1
    scores = predictions.filter(like="probability_")
    assert scores.sum(axis=1).between(0.999, 1.001).all()
    assert (scores.max(axis=1) - predictions["confidence"]).abs().max() < 1e-5


def test_mlflow_holds_one_parent_with_its_folds(finished: Finished, project: Project) -> None:
    runs = mlflow.search_runs(search_all_experiments=True, output_format="list")
    [parent] = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    children = [run for run in runs if run is not parent]
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {parent.info.run_id}
    assert sorted(run.info.run_name for run in children) == ["fold 1", "fold 2", "fold 3"]
    assert {run.info.status for run in runs} == {"FINISHED"}
    accuracies = pd.Series([run.data.metrics["held_out_accuracy"] for run in children])
    assert parent.data.metrics["mean_accuracy"] == pytest.approx(accuracies.mean())
    assert parent.data.metrics["deviation_accuracy"] == pytest.approx(accuracies.std())
    for child in children:
        curve = MlflowClient().get_metric_history(child.info.run_id, "epoch/val_loss")
        assert sorted({point.step for point in curve}) == [1, 2]


def test_the_page_shows_the_folds_and_their_curves(finished: Finished) -> None:
    shown = str(artifacts(finished.state)["cross-validation"].data)
    assert "deviation" in [row[0] for row in cells(shown)]
    assert "data:image/png;base64," in shown


def test_once_more_keeps_every_fold_and_says_the_same(
    finished: Finished, project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    summary = (project.outputs / "cross_validation" / "summary.json").read_bytes()
    assert main([]) == 0
    printed = capsys.readouterr().out
    assert "deviation" in printed
    assert (project.outputs / "cross_validation" / "summary.json").read_bytes() == summary
    assert len(mlflow.search_runs(search_all_experiments=True)) == 4


@pytest.mark.long
def test_a_failing_fold_leaves_the_others_their_time_and_is_named(
    finished: Finished, project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    params = project.params.read_text()
    photo = next((project.data / "Dark").glob("02-*.png"))
    content = photo.read_bytes()
    project.params.write_text(params.replace("dropout: 0.1", "dropout: 0.2").replace("epochs: 2", "epochs: 1"))
    photo.write_bytes(b"no photo")
    try:
        assert main(["--jobs", "3"]) == 1
    finally:
        photo.write_bytes(content)
        project.params.write_text(params)
    said = capsys.readouterr().err
    assert "3 of 3 folds failed" in said
    assert photo.name in said


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["terminated", "interrupted"])
def test_ended_from_outside_it_takes_everything_along(start: Callable[..., Started], number: signal.Signals) -> None:
    flow = start("--folds", "4", "--jobs", "2")
    flow.read_until("fold 1: trains on|fold 2: trains on")
    family = flow.family()
    flow.process.send_signal(number)
    printed = flow.process.communicate(timeout=SECONDS)[0]
    assert flow.process.returncode == 128 + number
    assert "Traceback" not in printed, printed
    assert family
    assert survivors(family) == []
    [parent] = mlflow.search_runs(
        search_all_experiments=True,
        filter_string="params.`cross_validation.folds` = '4'",
        output_format="list",
    )
    assert parent.info.status == "KILLED"


def test_too_few_folds_are_refused_before_anything_is_trained(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--folds", "2"]) == 1
    assert "Expected at least 3 folds" in capsys.readouterr().err


@pytest.mark.long
def test_a_cluster_that_does_not_answer_is_named(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--dask", "tcp://127.0.0.1:9"]) == 1
    said = capsys.readouterr().err
    assert "Expected a Dask scheduler at tcp://127.0.0.1:9" in said
    assert "dask worker" in said
