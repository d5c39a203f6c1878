from pathlib import Path

import pytest
import yaml
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings
from sqlalchemy import create_engine, text

from tests.helpers.postgres import Cluster
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
    # Prefect takes the place of a run that is paused, and ends it a few minutes later because it has none.
    assert not any(deployment.concurrency_options for deployment in deployments.values())
    folder = {"directory": str(machine.project.resolve())}
    [steps] = {str(deployment.pull_steps) for deployment in deployments.values()}
    assert steps == str([{"prefect.deployments.steps.set_working_directory": folder}])
    assert [schedule.active for schedule in deployments["nightly"].schedules] == [True]
    assert not deployments["on-demand"].schedules
    assert not deployments["on-alarm"].schedules


def assert_deployed_schedule_runs(machine: Machine) -> None:
    """`nightly`, by its schedule and a worker, up to a champion."""
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


@pytest.mark.long
def test_a_deployed_schedule_runs_by_itself(machine: Machine, own_home: Path) -> None:
    assert_deployed_schedule_runs(machine)
    assert (machine.project / ".prefect").is_dir()
    assert not (own_home / ".prefect").exists(), "prefect.toml keeps Prefect's state in the project"


@pytest.mark.long
def test_a_team_keeps_prefects_state_and_mlflows_in_postgresql(
    fresh_project: Path, tmp_path: Path, postgres_cluster: Cluster
) -> None:
    prefect, mlflow = postgres_cluster.database(), postgres_cluster.database()
    machine = Machine(
        fresh_project,
        tmp_path,
        PREFECT_API_DATABASE_CONNECTION_URL=prefect.replace("+psycopg", "+asyncpg"),
        MLFLOW_TRACKING_URI=mlflow,
    )
    with machine.running("server", "start", "--port", str(machine.port)):
        machine.wait_until_healthy()
        assert_deployed_schedule_runs(machine)
    for file in (".prefect/prefect.db", "mlflow.db"):
        assert not (machine.project / file).exists()
    for database, count in (
        (prefect, "SELECT count(*) FROM flow_run"),
        (mlflow, "SELECT count(*) FROM model_versions"),
    ):
        engine = create_engine(database)
        with engine.connect() as connection:
            assert connection.scalar(text(count)) >= 1
        engine.dispose()
