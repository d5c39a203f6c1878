import errno
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from prefect import flow, task
from prefect.client.schemas.objects import State
from prefect.states import Failed

from facesent.core.errors import FacesentError, TemporaryError, TrackingError
from facesent.core.paths import Project
from flows import tasks
from flows.dvc_stages import DvcBusyError, StageCrashedError, StageError, StageKilledError
from flows.failures import failed, failure_of
from flows.summary import Step, Steps
from tests.helpers.disks import no_room
from tests.helpers.tables import cells

FAILED = Steps([Step("validate", "ran", 2.0), Step("train", "failed", 3.0)])


def test_a_stage_that_failed_is_named_once_with_its_report_and_what_to_do(tmp_path: Path) -> None:
    folder = tmp_path / "outputs" / "train"
    folder.mkdir(parents=True)
    (folder / "report.md").write_text("many cows")
    failure = failure_of(StageError("Stage train failed. Expected a face."), FAILED, Project(tmp_path))
    assert failure.message.splitlines()[0] == "Stage train failed. Expected a face."
    assert "report.md" in failure.advice
    assert "the log of task train" in failure.advice


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (DvcBusyError("busy"), "Wait for the other DVC command"),
        (StageKilledError("Stage train was ended by SIGKILL"), "train.batch_size"),
        (StageCrashedError("Stage train crashed with SIGSEGV"), "facesent doctor"),
        (shutil.Error([("a", "b", "[Errno 28] No space left on device")]), "Free disk space"),
        (TrackingError("Expected MLflow to answer."), "run it again"),
        (FacesentError("Expected a face."), "run it again"),
        (KeyError("oops"), "bug in the program"),
        (FileNotFoundError(errno.ENOENT, "No such file"), "bug in the program"),
        (OSError(errno.ENOSPC, "No space left on device", "dvc.lock"), "Free disk space"),
        (sqlite3.OperationalError("database or disk is full"), "Free disk space"),
    ],
)
def test_each_kind_of_failure_says_what_to_do(error: Exception, words: str) -> None:
    failure = failure_of(error, FAILED, Project())
    assert words in failure.message.splitlines()[-1]
    assert "train" in failure.message.splitlines()[0]


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (TemporaryError("Expected the server to keep running."), True),
        (TrackingError("Expected MLflow to answer."), True),
        (KeyError("oops"), True),
        (FacesentError("Expected a face."), False),
    ],
)
def test_what_a_person_has_to_put_right_is_not_tried_again(error: Exception, again: bool) -> None:
    decide = tasks.canary.retry_condition_fn
    assert decide
    assert decide(tasks.canary, None, Failed(data=error)) is again  # type: ignore[arg-type]


def test_a_failure_before_the_first_step_names_none() -> None:
    failure = failure_of(StageError("Expected a DVC pipeline."), Steps(), Project())
    assert failure.message.startswith("Expected a DVC pipeline.")
    assert failure.to_markdown([]).startswith("# Failed\n")


def test_the_page_shows_what_was_printed_as_it_was_and_the_steps() -> None:
    shown = failure_of(StageError("Stage train failed. | a | # b"), FAILED, Project()).to_markdown(FAILED.ended)
    assert shown.startswith("# Failed in train\n")
    assert "```\nStage train failed. | a | # b\n```" in shown
    assert ("train", "failed", "3 s") in cells(shown)


@pytest.mark.slow
@pytest.mark.usefixtures("prefect_server")
def test_the_last_try_of_a_task_is_told_in_a_line(caplog: pytest.LogCaptureFixture) -> None:
    import_module("flows.pipeline")

    @task(retries=1, retry_delay_seconds=0)
    def ask() -> None:
        raise TrackingError("Expected MLflow to answer.")

    @flow
    def asking() -> None:
        with suppress(TrackingError):
            ask()

    asking()
    assert "Retries are exhausted" in caplog.text
    assert "Traceback" not in caplog.text


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:_NoneStep:DeprecationWarning")
@pytest.mark.usefixtures("prefect_server")
def test_half_of_a_report_does_not_hide_why_a_stage_failed(pipeline_of: Callable[..., Path]) -> None:
    command = "mkdir -p outputs/evaluate; echo '{' > outputs/evaluate/metrics.json; echo Expected a face. >&2; exit 1"
    root = pipeline_of({"evaluate": {"cmd": command, "outs": ["outputs/evaluate"]}})
    run_stage = import_module("flows.tasks").run_stage

    @flow
    def evaluate() -> None:
        run_stage("evaluate", Project(root))

    with pytest.raises(StageError, match="Expected a face"):
        evaluate()


@pytest.mark.slow
@pytest.mark.usefixtures("prefect_server")
def test_a_flow_on_a_full_disk_ends_with_a_line_and_what_to_do(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    @flow
    def write() -> "State[Any]":
        try:
            with no_room():
                (tmp_path / "folds.csv").write_text("file_name")
        except Exception as error:
            return failed(error)
        raise AssertionError

    state = write(return_state=True)
    assert state.is_failed()
    assert state.message
    assert state.message.splitlines()[0] == "File too large"
    assert state.message.splitlines()[1].startswith("Next: Free disk space")
    assert "Traceback" not in caplog.text


@pytest.mark.slow
@pytest.mark.usefixtures("prefect_server")
def test_a_full_disk_costs_the_file_of_the_summary_alone(project: Path, caplog: pytest.LogCaptureFixture) -> None:
    Path("outputs").mkdir()
    keep = import_module("flows.pipeline")._publish_summary

    @flow
    def end() -> str:
        with no_room():
            keep(Project(), "# Failed in train")
        return "as it ended"

    assert end() == "as it ended"
    assert "The summary could not be kept: " in caplog.text
    assert list(Path("outputs").iterdir()) == []


# As Prefect's client raises it where the server's disk is full.
NO_ROOM_AT_THE_SERVER = """
import sys
import httpx
from prefect.exceptions import PrefectHTTPStatusError
from flows.command import run_flow

def end(ready):
    request = httpx.Request("POST", "http://127.0.0.1:9/api/logs/")
    response = httpx.Response(500, request=request)
    raise PrefectHTTPStatusError.from_httpx_error(httpx.HTTPStatusError("", request=request, response=response))

sys.exit(run_flow("facesent-pipeline", end, again="")[0])
"""


@pytest.mark.slow
@pytest.mark.long
def test_a_run_that_prefects_server_could_not_keep_ends_with_a_line(project: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", NO_ROOM_AT_THE_SERVER],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert done.returncode == 1
    said = done.stderr.splitlines()[-1]
    assert (
        "keep the state of the run. Received: 500 Internal Server Error from http://127.0.0.1:9/api/logs/. Free" in said
    )
    assert "Traceback" not in done.stderr


def test_a_fault_of_the_program_is_not_told_as_a_failure() -> None:
    with pytest.raises(KeyError):
        failed(KeyError("oops"))
