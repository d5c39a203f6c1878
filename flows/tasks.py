"""The flow's tasks: DVC's stages, and what changes the world after them."""

from typing import TYPE_CHECKING, Any

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task

from facesent.errors import FacesentError, TrackingError
from facesent.project import Project
from flows import artifacts, dvc_stages
from flows.dvc_stages import DvcBusyError, StageError

if TYPE_CHECKING:
    from facesent.promotion import Candidate, Promotion
    from facesent.registry.gate import Verdict

# Some five minutes in all, for someone's `dvc repro` in another terminal.
_BUSY_DELAYS = [2.0, 4.0, 8.0, 16.0, 30.0, 60.0, 60.0, 120.0]
# A tracking server that restarts.
_SERVER_DELAYS = [2.0, 10.0, 30.0]


def _dvc_is_busy(_task: "Task[..., Any]", _run: TaskRun, state: "State[Any]") -> bool:
    return isinstance(state.data, DvcBusyError)


def _may_pass_later(_task: "Task[..., Any]", _run: TaskRun, state: "State[Any]") -> bool:
    # What a person has to put right stays wrong however often it is tried.
    return isinstance(state.data, TrackingError) or not isinstance(state.data, FacesentError)


_stage_task = task(
    retries=len(_BUSY_DELAYS),
    retry_delay_seconds=_BUSY_DELAYS,
    retry_condition_fn=_dvc_is_busy,
    cache_policy=NO_CACHE,  # DVC caches.
)
_registry_task = task(
    retries=len(_SERVER_DELAYS),
    retry_delay_seconds=_SERVER_DELAYS,
    retry_condition_fn=_may_pass_later,
    cache_policy=NO_CACHE,
)


@_stage_task
def run_stage(stage: str, project: Project) -> str:
    """Bring one DVC stage up to date; returns "ran" or "cached"."""
    logger = get_run_logger()
    try:
        outcome = dvc_stages.reproduce(stage, project.root, logger.info)
    except DvcBusyError:
        raise
    except StageError:
        # A stage that refuses its data says in its report what is wrong with them.
        _publish_report(stage, project)
        raise
    _publish_report(stage, project)
    logger.info("%s: %s", stage, outcome)
    return outcome.value


@_registry_task
def register(project: Project) -> "Candidate":
    """Make the trained model a version of the registered model ``facesent``, unless it is one already."""
    from facesent import promotion

    candidate = promotion.register(project)
    artifacts.publish("register", artifacts.table(vars(candidate)))
    return candidate


@_registry_task
def gate(project: Project, candidate: "Candidate") -> "Verdict":
    """Judge the candidate; a rejection is a verdict, no failure."""
    from facesent import promotion

    verdict = promotion.judge(project, candidate)
    artifacts.publish("verdict", verdict.to_markdown())
    return verdict


@_registry_task
def promote(verdict: "Verdict") -> "Promotion":
    """Serve the candidate from now on, if the verdict allows it."""
    from facesent import promotion

    promoted = promotion.promote(verdict)
    artifacts.publish("promote", artifacts.table(vars(promoted)))
    return promoted


def _publish_report(stage: str, project: Project) -> None:
    if report := artifacts.stage_report(project.outputs / stage):
        artifacts.publish(stage, report)
