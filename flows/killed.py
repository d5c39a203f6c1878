"""Flow runs whose processes were killed: they could not say how they ended, so whoever comes next says it for them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from prefect import tags
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, TaskRunFilter
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.context import TagsContext
from prefect.runtime import flow_run
from prefect.states import Crashed

from facesent.registry.processes import host, is_alive, this_process

_TAG = "facesent.process "
_UNDER_WAY = [state.value for state in StateType if state.name in {"PENDING", "RUNNING", "PAUSED", "CANCELLING"}]
# A task that waits for its next try is scheduled.
_OPEN = {"state": {"type": {"any_": [*_UNDER_WAY, StateType.SCHEDULED.value]}}}
# What Prefect gives in one call.
_MOST_RUNS = 200


@contextmanager
def says_its_process() -> Iterator[None]:
    """Let the flow runs that this block makes say which process runs them, from their first moment."""
    with tags(f"{_TAG}{this_process()}"):
        yield


@contextmanager
def tasks_without_process() -> Iterator[None]:
    """Let the tasks of this block be without the flow run's tag of its process, which they would inherit.

    Before a task with tags Prefect's client asks for their limits. A server with SQLite is then often about to write
    down how the task before ended, answers that it is busy, and the client waits for 2 seconds.
    """
    kept = {tag for tag in TagsContext.get().current_tags if not tag.startswith(_TAG)}
    with TagsContext(current_tags=kept):
        yield


def mark_crashed() -> None:
    """For a flow at its start: say which process runs it, and end the runs of processes of this machine that are gone.

    Raises:
        httpx.HTTPError: if Prefect's API does not answer.
    """
    with get_client(sync_client=True) as client:
        # One that a worker of a deployment runs was made by the server.
        ours = client.read_flow_run(UUID(str(flow_run.id)))
        if _process_of(ours) != this_process():
            kept = [tag for tag in ours.tags if not tag.startswith(_TAG)]
            client.update_flow_run(ours.id, tags=[*kept, f"{_TAG}{this_process()}"])
        under_way = FlowRunFilter.model_validate({"state": {"type": {"any_": _UNDER_WAY}}})
        for run in client.read_flow_runs(flow_run_filter=under_way, limit=_MOST_RUNS):
            if run.id != ours.id and _is_gone(_process_of(run)):
                _end(client, run)


def _process_of(run: FlowRun) -> str:
    return next((tag.removeprefix(_TAG) for tag in run.tags if tag.startswith(_TAG)), "")


def _is_gone(process: str) -> bool:
    """Of a process elsewhere, and of a run that names none, nobody knows here."""
    return process.startswith(f"{host()} ") and not is_alive(process)


def _end(client: SyncPrefectClient, run: FlowRun) -> None:
    crashed: State[Any] = Crashed(message="Its process was killed, or the machine went down; a later run noticed it.")
    of_run = FlowRunFilter.model_validate({"id": {"any_": [run.id]}})
    for task in client.read_task_runs(flow_run_filter=of_run, task_run_filter=TaskRunFilter.model_validate(_OPEN)):
        client.set_task_run_state(task.id, crashed, force=True)
    client.set_flow_run_state(run.id, crashed, force=True)
