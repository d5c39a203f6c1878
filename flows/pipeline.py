"""The flow ``facesent-pipeline``: DVC's stages in DVC's order, then register, canary, gate, approval and promote.

``python -m flows.pipeline`` runs it once, here; ``prefect.yaml`` deploys it.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import Annotated, Any, cast

from prefect import flow, get_run_logger
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Completed, Failed
from prefect.tasks import Task
from pydantic import Field

from facesent.core.errors import to_put_right
from facesent.core.files import replaced
from facesent.core.paths import Project
from facesent.core.programs import Standby
from facesent.params import load_params
from facesent.registry import store
from facesent.registry.client import prepare
from facesent.registry.lineage import FLOW_RUN_VARIABLE
from facesent.serving.server import ModelServer, standby
from flows import artifacts, dvc_stages, notifications, tasks
from flows.approval import wait_for_answer
from flows.command import Ready, run_flow
from flows.dvc_stages import StageResult, pipeline_stages
from flows.failures import failure_of
from flows.first_images import bring
from flows.killed import mark_crashed, tasks_without_process
from flows.summary import Steps, Summary, summarise

APPROVAL_HOURS = 24.0
_MAKES_MODEL = "train"
_NEEDED_LAST = ("facesent.promotion.register", "facesent.promotion.judge", "facesent.promotion.canary.trial")
# Ten years: more than anybody waits, and a date that there is.
_MOST_HOURS = 87_600
Hours = Annotated[float, Field(ge=0, le=_MOST_HOURS, allow_inf_nan=False)]


@flow(name="facesent-pipeline")
def pipeline(approval_hours: Hours = APPROVAL_HOURS) -> "State[Any]":
    """Bring every stage of ``dvc.yaml`` up to date, register the model, try and judge it, promote it where it passes.

    Runs in the project's root folder. It completes with the verdict as its message, or fails with that of what failed.

    Args:
        approval_hours: how long it waits for a person where ``gate.approval`` is true; it then completes without
            promoting, and ``facesent approve`` can still be said.
    """
    prepare()
    mark_crashed()
    project, steps = Project(), Steps()
    tell = partial(notifications.tell, project, get_run_logger().warning)
    try:
        with tasks_without_process(), _flow_run_in_environment(), standby() as server:
            run_stages(project, steps, server)
            summary = decide(project, approval_hours, steps, server)
    except Exception as error:
        failure = failure_of(error, steps, project)
        _publish_summary(project, failure.to_markdown(steps.ended))
        tell("failed", failure.message)
        if to_put_right(error) is None:
            raise
        # Returned, not raised: the message is for people, and a traceback in the log would hide it.
        return Failed(message=failure.message)
    _publish_summary(project, summary.to_markdown(steps.ended))
    artifacts.publish_link("mlflow-run", summary.places["MLflow run"], "the run in MLflow")
    if summary.event:
        tell(summary.event, summary.sentence)
    # Told apart in Prefect's list of runs.
    return Completed(name=summary.rows["verdict"].capitalize(), message=summary.sentence, data=summary)


def _publish_summary(project: Project, page: str) -> None:
    """Show the page in Prefect, and keep it as a file, since a temporary server is gone after the flow.

    A full disk costs the page, but must not hide how the run ended.
    """
    artifacts.publish("summary", page)
    try:
        _write_summary(project.outputs, page)
    except OSError as error:
        get_run_logger().warning(f"The summary could not be kept: {error}")


def _write_summary(outputs: Path, page: str) -> None:
    if outputs.is_dir():
        with replaced(outputs / "summary.md") as draft:
            draft.write_text(f"{page}\n", encoding="utf-8")


def run_stages(
    project: Project, steps: Steps | None = None, server: Standby[ModelServer] | None = None
) -> dict[str, str]:
    """Run each DVC stage as a task of its name, in DVC's order; each one's "ran" or "cached"."""
    steps, outcomes = steps or Steps(), {}
    with dvc_stages.standby(project.root) as waiting:
        waiting.start()
        stages = pipeline_stages(project.root)
        waiting.allow(len(stages) - 1)
        # While DVC runs the stages this process only waits.
        Thread(target=_load_last).start()
        for stage in stages:
            outcomes[stage] = _take(steps, tasks.run_stage, stage, stage, project, waiting)
            # A new model will be tried. What is measured of it takes one core most of the time.
            if server and stage == _MAKES_MODEL and outcomes[stage] == StageResult.RAN:
                server.start()
    return outcomes


def _load_last() -> None:
    """Import what the last tasks need. In one thread: two that import MLflow at once find halves of it."""
    for module in _NEEDED_LAST:
        import_module(module)
    store.load()


def decide(
    project: Project,
    approval_hours: float = APPROVAL_HOURS,
    steps: Steps | None = None,
    server: Standby[ModelServer] | None = None,
) -> Summary:
    """Register, try, judge and promote what the stages made."""
    steps = steps or Steps()
    take = partial(_take, steps)
    candidate = take(tasks.register, "register", project)
    canary = take(tasks.canary, "canary", project, candidate, server)
    verdict = take(tasks.gate, "gate", project, candidate, canary)
    approval = None
    if load_params(project.params).gate.approval:
        approval = take(tasks.ask, "approval", verdict)
        if approval and approval.state == "waiting":
            warn = get_run_logger().warning
            notifications.tell(project, warn, "waiting", f"{approval.sentence}. {verdict.reason}")
            approval = steps.take("answer", partial(wait_for_answer, approval, approval_hours))
    promoted = take(tasks.promote, "promote", verdict, approval)
    take(tasks.report, "report", project, candidate, verdict, promoted, canary)
    return summarise(project, candidate, canary, verdict, promoted)


def _take(steps: Steps, task: "Task[..., Any]", name: str, *arguments: Any) -> Any:
    """Run a task under this name, as one of the steps."""
    named = task.with_options(name=name, task_run_name=name)

    def run() -> Any:
        before = [steps.last] if steps.last else None
        steps.last = cast("State[Any]", named(*arguments, wait_for=before, return_state=True))
        return steps.last.result()

    return steps.take(name, run)


def main(*, draw: bool = False, approval_hours: float = APPROVAL_HOURS) -> int:
    """Run the flow and say how it ended; the exit status.

    Args:
        draw: bring images first, where there are none.
        approval_hours: how long to wait for a person, where one has to agree.
    """

    def run(ready: Ready) -> "State[Any]":
        _get_ready(ready, draw)
        return cast("State[Any]", pipeline(approval_hours, return_state=True))

    again = "Run it again to go on: finished stages are cached."
    status, summary = run_flow("facesent-pipeline", run, again=again)
    if summary:
        summary.print()
    return status


def _get_ready(ready: Ready, draw: bool) -> None:
    """Draw images, and import what lists the stages, while Prefect's temporary server starts."""
    if draw:
        bring(Project())
    import_module("dvc.repo.reproduce")
    ready()


@contextmanager
def _flow_run_in_environment() -> Iterator[None]:
    """Let the stages and the registry, in DVC's processes and in this one, tag what they make with the flow run."""
    before = os.environ.get(FLOW_RUN_VARIABLE)
    os.environ[FLOW_RUN_VARIABLE] = str(flow_run.id)
    try:
        yield
    finally:
        del os.environ[FLOW_RUN_VARIABLE]
        if before is not None:
            os.environ[FLOW_RUN_VARIABLE] = before


def hours(text: str) -> float:
    """The value of ``--approval-hours``."""
    number = float(text)
    # Also false of what is not a number.
    if not 0 <= number <= _MOST_HOURS:
        raise argparse.ArgumentTypeError(f"expected 0 to {_MOST_HOURS:,} hours. Received: {text}")
    return number


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m flows.pipeline", description="Run the flow once, here.")
    help_of_draw = "if there is no data/, check out what data.dvc describes, or draw faces"
    parser.add_argument("--draw", "--sample", action="store_true", help=help_of_draw)
    help_of_hours = "how long to wait for `facesent approve`, with gate.approval: true; by default %(default)s"
    parser.add_argument("--approval-hours", type=hours, default=APPROVAL_HOURS, help=help_of_hours)
    options = parser.parse_args()
    sys.exit(main(draw=options.draw, approval_hours=options.approval_hours))
