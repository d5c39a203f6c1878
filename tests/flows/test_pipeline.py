import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest
import zc.lockfile
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, TaskRunFilter
from prefect.client.schemas.objects import Artifact, State, TaskRun, TaskRunResult
from prefect.client.schemas.sorting import TaskRunSort

from facesent.core.paths import Project
from flows.pipeline import main, pipeline, run_stages
from tests.helpers.processes import survivors
from tests.helpers.tables import cells
from tests.helpers.webhook import Receiver

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("prefect_server"),
    pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning"),
]

ROOT = Path(__file__).parents[2]
STAGES = ["validate", "split", "train", "evaluate"]
AFTER_THEM = ["register", "canary", "gate", "promote", "report"]

PipelineOf = Callable[[Mapping[str, Mapping[str, Any]]], Path]
SetParams = Callable[[Path, Mapping[str, Mapping[str, Any]]], None]


@flow
def stages_only() -> dict[str, str]:
    return run_stages(Project())


def task_runs(state: "State[Any]") -> list[TaskRun]:
    """In the order in which they started."""
    with get_client(sync_client=True) as client:
        return client.read_task_runs(flow_run_filter=_run_of(state), sort=TaskRunSort.EXPECTED_START_TIME_ASC)


def artifacts(state: "State[Any]") -> dict[str, Artifact]:
    with get_client(sync_client=True) as client:
        return {artifact.key or "": artifact for artifact in client.read_artifacts(flow_run_filter=_run_of(state))}


def _run_of(state: "State[Any]") -> FlowRunFilter:
    return FlowRunFilter.model_validate({"id": {"any_": [state.state_details.flow_run_id]}})


@pytest.fixture(scope="module")
def first_run(small_project: Path, prefect_server: None) -> Iterator["State[Any]"]:
    """The real flow, once, on a few faces."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(small_project)
        # The test's process may have used another store before.
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{small_project / 'mlflow.db'}")
        yield pipeline(return_state=True)


def test_it_runs_the_stages_in_dvcs_order_then_registers_tries_judges_and_promotes(first_run: "State[Any]") -> None:
    assert first_run.is_completed(), first_run.message
    runs = task_runs(first_run)
    assert [run.name for run in runs] == STAGES + AFTER_THEM
    assert all(run.state and run.state.is_completed() for run in runs)
    # The arrows of Prefect's graph.
    arrows = [{each.id for each in run.task_inputs["wait_for"] if isinstance(each, TaskRunResult)} for run in runs[1:]]
    assert all(before.id in after for before, after in zip(runs[:-1], arrows, strict=True))
    assert (first_run.message or "").startswith("VALIDATED: version 1.")


def test_each_task_leaves_an_artifact(first_run: "State[Any]") -> None:
    shown = {key: str(artifact.data) for key, artifact in artifacts(first_run).items()}
    assert set(shown) == {*STAGES, "register", "canary", "verdict", "promote", "report", "mlflow-run", "summary"}
    assert "data:image/png;base64," in shown["evaluate"]
    rows = cells(shown["summary"])
    assert "test accuracy" in [row[0] for row in rows]
    assert "ms, 95th percentile" in shown["summary"]
    assert {(name, "ran") for name in STAGES + AFTER_THEM} <= {row[:2] for row in rows}
    assert "outputs/gate/report.html" in shown["summary"]
    assert "![curves](data:image/png;base64," in shown["evaluate"]
    assert all(len(text) > 20 for text in shown.values())


def test_the_mlflow_run_names_the_flow_run(first_run: "State[Any]") -> None:
    import mlflow

    [run] = mlflow.search_runs(search_all_experiments=True, output_format="list")
    assert run.data.tags["flow_run"] == str(first_run.state_details.flow_run_id)


def test_again_every_stage_is_cached(first_run: "State[Any]") -> None:
    assert stages_only() == dict.fromkeys(STAGES, "cached")


@pytest.mark.long
def test_a_rejected_candidate_is_a_verdict_and_no_failure(
    first_run: "State[Any]",
    small_project: Path,
    set_params: SetParams,
    receiver: Receiver,
    capsys: pytest.CaptureFixture[str],
) -> None:
    set_params(small_project, {"gate": {"min_accuracy": 1.0}, "notify": {"urls": [receiver.url]}})
    try:
        assert main() == 0
        state = pipeline(return_state=True)
    finally:
        set_params(small_project, {"gate": {"min_accuracy": 0.0}, "notify": {"urls": []}})
    assert "REJECTED" in capsys.readouterr().out
    assert state.is_completed()
    assert (state.message or "").startswith("REJECTED: version 1.")
    assert "accuracy" in (state.message or "")
    assert "REJECTED" in str(artifacts(state)["verdict"].data)
    assert [message["title"] for message in receiver.messages] == ["facesent: rejected"] * 2
    assert (state.message or "-") in receiver.messages[1]["message"]


def test_a_new_stage_runs_without_a_word_in_the_flow(pipeline_of: PipelineOf) -> None:
    pipeline_of(
        {"b": {"cmd": "echo 2 > two", "deps": ["one"], "outs": ["two"]}, "a": {"cmd": "echo > one", "outs": ["one"]}}
    )
    assert stages_only() == {"a": "ran", "b": "ran"}
    assert list(stages_only()) == ["a", "b"]


def test_a_failing_stage_fails_the_flow_with_its_message_and_what_to_do(
    pipeline_of: PipelineOf, set_params: SetParams, receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    report = "mkdir -p outputs/look && echo many cows > outputs/look/report.md"
    failing = {"cmd": [report, "echo Expected a face. Received: a cow. >&2", "false"]}
    root = pipeline_of({"look": failing, "train": {"cmd": "echo > model", "outs": ["model"]}})
    shutil.copy(ROOT / "params.yaml", root)
    set_params(root, {"notify": {"urls": [receiver.url]}})
    state = pipeline(return_state=True)
    assert state.is_failed()
    said, advice = (state.message or "").splitlines()
    assert said == "Stage look failed. Expected a face. Received: a cow."
    assert advice.startswith("Next: See `outputs/look/report.md`")
    [run] = task_runs(state)
    assert run.run_count == 1, "what is wrong stays wrong"
    assert run.state
    assert "Expected a face. Received: a cow." in (run.state.message or "")
    assert "many cows" in str(artifacts(state)["look"].data)
    assert "# Failed in look" in str(artifacts(state)["summary"].data)
    [message] = receiver.messages
    assert message["title"] == "facesent: failed"
    assert said in message["message"]
    assert not (root / "model").exists()
    assert not (root / "mlflow.db").exists()
    assert main() == 1
    assert "Expected a face. Received: a cow." in capsys.readouterr().err.splitlines()[-2]


def test_it_waits_for_another_dvc_command(pipeline_of: PipelineOf) -> None:
    root = pipeline_of({"first": {"cmd": "echo > one", "outs": ["one"]}})
    (root / ".dvc" / "tmp").mkdir(exist_ok=True)
    lock = zc.lockfile.LockFile(root / ".dvc" / "tmp" / "lock")
    releaser = threading.Thread(target=_release_at_retry, args=(lock,))
    releaser.start()
    state = stages_only(return_state=True)
    releaser.join()
    assert state.result() == {"first": "ran"}
    [run] = task_runs(state)
    assert run.run_count > 1


def _release_at_retry(lock: zc.lockfile.LockFile) -> None:
    waiting = TaskRunFilter.model_validate({"state": {"name": {"any_": ["AwaitingRetry"]}}})
    deadline = time.monotonic() + 120
    try:
        with get_client(sync_client=True) as client:
            while not client.read_task_runs(task_run_filter=waiting) and time.monotonic() < deadline:
                time.sleep(0.2)
    finally:
        lock.close()


def test_outside_a_project_it_says_so(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    state = pipeline(return_state=True)
    assert state.is_failed()
    assert "Expected a DVC pipeline" in (state.message or "")


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["terminated", "interrupted"])
def test_ended_from_outside_it_takes_everything_along(pipeline_of: PipelineOf, number: signal.Signals) -> None:
    wait = "python -c \"import time; print('started', flush=True); time.sleep(600)\""
    root = pipeline_of({"first": {"cmd": wait, "outs": ["one"]}})
    (root / "prefect.toml").write_bytes((ROOT / "prefect.toml").read_bytes())
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    with subprocess.Popen(
        [sys.executable, "-m", "flows.pipeline"],
        cwd=root,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=_heed_interrupts,
    ) as process:
        assert process.stdout
        assert any(line.endswith("started\n") for line in process.stdout)
        family = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(number)
        printed = process.stdout.read()
    assert process.returncode == 128 + number or process.returncode == -number, printed
    assert "Traceback" not in printed
    assert len(family) >= 3, "the temporary server, DVC and the stage"
    assert survivors(family) == []


def _heed_interrupts() -> None:
    # A shell that started these tests in the background made them, and what they start, ignore SIGINT.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_a_server_that_does_not_answer_is_named(project: Path) -> None:
    address = "http://127.0.0.1:9/api"
    environment = {**os.environ, "PREFECT_API_URL": address, "PREFECT_HOME": str(project / ".prefect")}
    command = [sys.executable, "-m", "flows.pipeline"]
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert address in done.stderr
    assert "prefect server start" in done.stderr
    assert "Traceback" not in done.stderr
