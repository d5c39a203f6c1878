"""The flow's tasks: DVC's stages, and what changes the world after them."""

import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task

from facesent.core.errors import FacesentError, TemporaryError
from facesent.core.markdown import escaped
from facesent.core.paths import Project
from flows import artifacts, dvc_stages, pages
from flows.dvc_stages import DvcBusyError, StageError, StageResult
from flows.summary import duration

if TYPE_CHECKING:
    from facesent.core.programs import Process, Standby
    from facesent.promotion.aliases import Promotion
    from facesent.promotion.canary.report import CanaryReport
    from facesent.promotion.register import Candidate
    from facesent.promotion.verdict import Verdict
    from facesent.registry.decisions import Approval
    from facesent.serving.server import ModelServer

# Some five minutes in all, for someone's `dvc repro` in another terminal.
_BUSY_DELAYS = [2.0, 4.0, 8.0, 16.0, 30.0, 60.0, 60.0, 120.0]
# A tracking server that restarts.
_SERVER_DELAYS = [2.0, 10.0, 30.0]


def _dvc_is_busy(_task: "Task[..., Any]", _run: TaskRun, state: "State[Any]") -> bool:
    return isinstance(state.data, DvcBusyError)


def _may_pass_later(_task: "Task[..., Any]", _run: TaskRun, state: "State[Any]") -> bool:
    # What a person has to put right stays wrong however often it is tried.
    return isinstance(state.data, TemporaryError) or not isinstance(state.data, FacesentError)


_stage_task = task(
    retries=len(_BUSY_DELAYS),
    retry_delay_seconds=_BUSY_DELAYS,
    retry_condition_fn=_dvc_is_busy,
    cache_policy=NO_CACHE,  # DVC caches.
)
registry_task = task(
    retries=len(_SERVER_DELAYS),
    retry_delay_seconds=_SERVER_DELAYS,
    retry_condition_fn=_may_pass_later,
    cache_policy=NO_CACHE,
)


@_stage_task
def run_stage(stage: str, project: Project, waiting: "Standby[Process] | None" = None) -> str:
    """Bring one DVC stage up to date; returns "ran" or "cached"."""
    logger, start = get_run_logger(), time.monotonic()
    try:
        outcome = dvc_stages.repro(stage, project.root, logger.info, waiting)
    except DvcBusyError:
        raise
    except StageError as error:
        # A stage that refuses its data says in its report what is wrong with them; one that was killed, or had no room,
        # may leave half of a report.
        with suppress(OSError, ValueError):
            _publish_report(stage, project, f"**Failed.**\n\n{artifacts.verbatim(str(error))}")
        raise
    took = f"**Ran** in {duration(time.monotonic() - start)}."
    cached = "**Cached**: none of its dependencies changed."
    _publish_report(stage, project, took if outcome is StageResult.RAN else cached)
    logger.info("%s: %s", stage, outcome)
    return outcome.value


@registry_task
def register(project: Project) -> "Candidate":
    """Make the trained model a version of the registered model ``facesent``, unless it is one already."""
    from facesent.promotion import register

    get_run_logger().info("Registering the model in MLflow")
    candidate = register.register(project)
    get_run_logger().info(
        "Version %d: %s", candidate.version, "registered" if candidate.created else "already registered"
    )
    artifacts.publish("register", pages.registered(candidate))
    return candidate


@registry_task
def canary(project: Project, candidate: "Candidate", waiting: "Standby[ModelServer] | None" = None) -> "CanaryReport":
    """Let the real server answer with the candidate; one that cannot be served is rejected by the gate."""
    from facesent.promotion.canary import trial

    get_run_logger().info("Trying version %d in the real server", candidate.version)
    report = trial.canary(project, candidate, waiting)
    artifacts.publish("canary", report.to_markdown())
    return report


@registry_task
def gate(project: Project, candidate: "Candidate", canary: "CanaryReport") -> "Verdict":
    """Judge the candidate; a rejection is a verdict, no failure."""
    from facesent.promotion import judge

    get_run_logger().info("Scoring the test images with version %d and with the champion", candidate.version)
    verdict = judge.judge(project, candidate, canary)
    get_run_logger().info("%s: %s", verdict.outcome, verdict.reason)
    artifacts.publish("verdict", verdict.to_markdown())
    return verdict


@registry_task
def ask(verdict: "Verdict") -> "Approval | None":
    """Ask a person whether the candidate may be served; None if no approval is needed."""
    from facesent.promotion import approval

    asked = approval.ask(verdict)
    shown = escaped(asked.sentence if asked else f"{verdict.outcome}: no approval needed.")
    artifacts.publish("approval", shown + ("\n\n" + verdict.to_markdown() if asked else ""))
    return asked


@registry_task
def promote(verdict: "Verdict", approval: "Approval | None" = None) -> "Promotion":
    """Serve the candidate from now on, if the verdict and whoever was asked allow it."""
    from facesent.promotion import aliases

    promoted = aliases.promote(verdict, approval=approval)
    artifacts.publish("promote", pages.promoted(verdict.candidate, promoted))
    return promoted


@registry_task
def report(
    project: Project, candidate: "Candidate", verdict: "Verdict", promoted: "Promotion", canary: "CanaryReport"
) -> Path:
    """Write the report with the verdict, and add it to the candidate's run."""
    from facesent.promotion import report

    page = report.report(project, candidate, verdict, promoted, canary)
    artifacts.publish("report", pages.reported(project, candidate))
    return page


def _publish_report(stage: str, project: Project, heading: str) -> None:
    if report := pages.stage(stage, project, heading):
        artifacts.publish(stage, report)
