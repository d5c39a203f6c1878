from pathlib import Path

import pytest
import yaml
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from tests.helpers.prefect_machine import Machine, finished_run

pytestmark = pytest.mark.slow


def every_minute(project: Path) -> None:
    """Make the nightly schedule one that a test can wait for."""
    settings = yaml.safe_load((project / "prefect.yaml").read_text())
    [nightly] = [deployment for deployment in settings["deployments"] if deployment["name"] == "nightly"]
    [schedule] = nightly["schedules"]
    schedule["cron"] = "* * * * *"
    (project / "prefect.yaml").write_text(yaml.safe_dump(settings))


def test_each_deployment_runs_in_the_projects_folder(machine: Machine) -> None:
    machine.prefect("work-pool", "create", "facesent", "--type", "process")
    machine.prefect("--no-prompt", "deploy", "--all")
    with temporary_settings({PREFECT_API_URL: machine.api}), get_client(sync_client=True) as client:
        deployments = {deployment.name: deployment for deployment in client.read_deployments()}
    assert set(deployments) == {"nightly", "on-demand", "hourly", "on-alarm", "on-request"}
    assert all(deployment.concurrency_options for deployment in deployments.values())
    folder = {"directory": str(machine.project.resolve())}
    [steps] = {str(deployment.pull_steps) for deployment in deployments.values()}
    assert steps == str([{"prefect.deployments.steps.set_working_directory": folder}])
    assert [schedule.active for schedule in deployments["nightly"].schedules] == [True]
    assert not deployments["on-demand"].schedules
    assert not deployments["on-alarm"].schedules


@pytest.mark.long
def test_a_deployed_schedule_runs_by_itself(machine: Machine, own_home: Path) -> None:
    every_minute(machine.project)
    machine.prefect("work-pool", "create", "facesent", "--type", "process")
    machine.prefect("--no-prompt", "deploy", "--all")
    with (
        temporary_settings({PREFECT_API_URL: machine.api}),
        get_client(sync_client=True) as client,
        machine.running("worker", "start", "--pool", "facesent", "--limit", "1"),
    ):
        run = finished_run(client, machine)
    assert run.auto_scheduled
    assert run.state
    assert run.state.is_completed(), machine.log()
    assert (run.state.message or "").startswith("VALIDATED")
    assert (machine.project / ".prefect").is_dir()
    assert not (own_home / ".prefect").exists(), "prefect.toml keeps Prefect's state in the project"
