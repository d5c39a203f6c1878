"""The flow ``facesent-pipeline``: DVC's stages in DVC's order, then register, gate and promote.

``python -m flows.pipeline`` runs it once, here; ``prefect.yaml`` deploys it.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib import import_module
from threading import Thread
from typing import Any, cast

from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Completed, Failed

from facesent.errors import FacesentError
from facesent.lineage import FLOW_RUN_VARIABLE
from facesent.project import Project
from flows import artifacts, images, tasks
from flows.command import run_flow
from flows.dvc_stages import pipeline_stages
from flows.summary import Summary, summarise


@flow(name="facesent-pipeline")
def pipeline() -> "State[Any]":
    """Bring every stage of ``dvc.yaml`` up to date, register the model, judge it, and promote it where it passes.

    Runs in the project's root folder. It completes with the verdict as its message, or fails with that of what failed.
    """
    project = Project()
    try:
        with _flow_run_in_environment():
            reproduce(project)
            summary = decide(project)
    except FacesentError as error:
        # Returned, not raised: the message is for people, and a traceback in the log would hide it.
        return Failed(message=str(error))
    artifacts.publish("summary", summary.to_markdown())
    return Completed(message=summary.sentence, data=summary)


def reproduce(project: Project) -> dict[str, str]:
    """Run each DVC stage as a task of its name, in DVC's order; each one's "ran" or "cached"."""
    return {
        stage: tasks.run_stage.with_options(name=stage, task_run_name=stage)(stage, project)
        for stage in pipeline_stages(project.root)
    }


def decide(project: Project) -> Summary:
    """Register, judge and promote what the stages made."""
    candidate = tasks.register.with_options(task_run_name="register")(project)
    verdict = tasks.gate.with_options(task_run_name="gate")(project, candidate)
    promoted = tasks.promote.with_options(task_run_name="promote")(verdict)
    return summarise(project, verdict, promoted)


def main(*, sample: bool = False) -> int:
    """Run the flow and say how it ended; the exit status.

    Args:
        sample: bring images first, where there are none.
    """

    def run() -> "State[Any]":
        _get_ready(sample)
        return cast("State[Any]", pipeline(return_state=True))

    again = "Run it again to go on: finished stages are cached."
    status, summary = run_flow("facesent-pipeline", run, again=again)
    if summary:
        summary.print()
    return status


def _get_ready(sample: bool) -> None:
    """Let Prefect's temporary server start while images are drawn, and the last tasks' libraries load after it."""
    with ThreadPoolExecutor(max_workers=1) as beside:
        # Making a client starts that server, unless Prefect is told of another one.
        server = beside.submit(get_client, sync_client=True)
        if sample:
            images.bring(Project())
        server.result()
    # MLflow takes seconds to import, and while DVC runs the stages this process only waits.
    Thread(target=import_module, args=["facesent.promotion"]).start()


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


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m flows.pipeline", description="Run the flow once, here.")
    help_of_sample = "where there is no data/, bring back what data.dvc describes, or draw the embedded faces"
    parser.add_argument("--sample", action="store_true", help=help_of_sample)
    sys.exit(main(sample=parser.parse_args().sample))
