"""Whose runs a flow ends at its start: real runs of a real server, of processes that are there and of others."""

import subprocess
import sys
from typing import Any
from uuid import UUID

import pytest
from prefect import flow, tags, task
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.runtime import flow_run, task_run
from prefect.states import Paused, Running

from facesent.registry.processes import host, this_process
from flows.killed import mark_crashed, says_its_process, tasks_without_process

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("prefect_server")]


@flow
def beginning() -> str:
    mark_crashed()
    return str(flow_run.id)


def begun(process: str, state: "State[Any]") -> FlowRun:
    """A run that was left as it is while it was under way."""
    with get_client(sync_client=True) as client:
        return client.create_flow_run(beginning, tags=[f"facesent.process {process}", "mine"], state=state)


def gone() -> str:
    code = "from facesent.registry.processes import this_process; print(this_process())"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_runs_of_processes_of_this_machine_that_are_gone_crashed_and_no_others() -> None:
    process = gone()
    left = [begun(process, Running()), begun(process, Paused())]
    others = [begun(this_process(), Running()), begun(process.replace(host(), "elsewhere"), Running())]
    with tags("mine"), says_its_process():
        ours = beginning()
    with get_client(sync_client=True) as client:
        after = [client.read_flow_run(run.id) for run in (*left, *others)]
        own = client.read_flow_run(UUID(ours))
    assert [run.state_type.value for run in after if run.state_type] == ["CRASHED", "CRASHED", "RUNNING", "RUNNING"]
    assert set(own.tags) == {"mine", f"facesent.process {this_process()}"}


def test_a_run_that_a_server_made_names_the_process_that_runs_it() -> None:
    with tags("mine", f"facesent.process {gone()}"):
        ours = beginning()
    with get_client(sync_client=True) as client:
        own = client.read_flow_run(UUID(ours))
    assert set(own.tags) == {"mine", f"facesent.process {this_process()}"}


@task
def tagged() -> set[str]:
    return set(task_run.tags)


@flow
def working() -> set[str]:
    with tasks_without_process():
        return tagged()


def test_tasks_have_the_tags_of_their_flow_run_but_not_that_of_its_process() -> None:
    with tags("mine"), says_its_process():
        assert working() == {"mine"}
