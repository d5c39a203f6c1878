"""The flow ``facesent-watch``: one look at the answers in service, and what follows from an alarm.

``python -m flows.watch`` runs it once; ``prefect.yaml`` runs it every hour, and starts the pipeline at its event.
"""

import argparse
import sys
from typing import TYPE_CHECKING, Any, cast

from prefect import flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.events import EventTrigger, emit_event
from prefect.states import Completed

from facesent.core.errors import to_put_right
from facesent.core.markdown import code, escaped
from facesent.core.paths import Project
from facesent.core.programs import child_environment, python, run
from facesent.params import load_params
from facesent.registry.client import prepare
from flows import artifacts, notifications
from flows.command import Ready, run_flow
from flows.failures import failed
from flows.killed import mark_crashed

if TYPE_CHECKING:
    from facesent.watch.look import AlarmResponse, DriftStatus

NAME = "facesent-watch"
RETRAIN = "facesent.retrain"
"""The event at which a deployment of the pipeline starts."""
_UNHEARD = (
    f"No deployment waits for the event {RETRAIN}, so no run begins by itself. Deploy the pipeline: "
    "prefect --no-prompt deploy --all"
)


@flow(name=NAME)
def watch() -> "State[Any]":
    """Look at the answers in service; at an alarm, have the pipeline started with labelled photos, or ask for some."""
    prepare()
    mark_crashed()
    # They import MLflow.
    from facesent.registry.versions import RegistryError
    from facesent.watch.look import WatchError

    project = Project()
    try:
        seen = look(project)
    except (WatchError, RegistryError) as error:
        # Nothing is in service yet, or nobody has asked since a promotion.
        return Completed(name="Idle", message=str(error))
    except Exception as error:
        return _failed(project, error)
    try:
        found = f"{seen.sentence} {seen.labels.sentence}" if seen.labels else seen.sentence
        page = f"## {seen.state.capitalize()}\n\n{escaped(found)}\n\nThe page: {code(str(project.watch_page))}"
        artifacts.publish("watch", page)
        if seen.state == "alarm":
            _answer(project, seen, found)
    except Exception as error:
        return _failed(project, error)
    return Completed(name=seen.state.capitalize(), message=seen.sentence)


def _failed(project: Project, error: Exception) -> "State[Any]":
    """Nobody looks at a run of each hour: as long as it fails, no alarm can be raised."""
    why = to_put_right(error) or f"{type(error).__name__}: {error}"
    notifications.tell(project, get_run_logger().warning, "failed", f"{NAME}: {why}")
    return failed(error)


@task(cache_policy=NO_CACHE)
def look(project: Project) -> "DriftStatus":
    """Compare the answers with the baseline."""
    from facesent.watch.watching import watching

    return watching(load_params(project.params), project.watch_page)


@task(cache_policy=NO_CACHE)
def take(project: Project, seen: "DriftStatus") -> None:
    """Add the photos of accepted corrections to the data, half of those from after the change to the test set."""
    from facesent.watch.cure import FOLDER, hand_over

    if seen.labels:
        hand_over(seen.labels, seen.version)
    command = python("facesent.cli", "data", "add", str(FOLDER))
    run(command, project.root, child_environment(), get_run_logger().info)


def _answer(project: Project, seen: "DriftStatus", found: str) -> None:
    """Once an alarm: retrain where people have labelled enough photos for the gate, else ask them to."""
    from facesent.watch.look import once

    if seen.labels is None or not seen.labels.enough:
        _tell_once(project, seen, "told", found)
    elif not _is_heard():
        _tell_once(project, seen, "unheard", f"{found} {_UNHEARD}")
    else:
        with once(seen, "retrained") as done:
            if not done.already:
                take(project, seen)
                resource = {"prefect.resource.id": f"facesent.version.{seen.version}"}
                emit_event(RETRAIN, resource, payload={"why": seen.sentence})


def _tell_once(project: Project, seen: "DriftStatus", what: "AlarmResponse", text: str) -> None:
    from facesent.watch.look import once

    with once(seen, what) as done:
        if not done.already:
            # A message that reached nobody is sent again after the next look.
            done.now = notifications.tell(project, get_run_logger().warning, "alarm", text)


def _is_heard() -> bool:
    """Whether a deployment of the pipeline waits for the event: nobody would notice that none does."""
    with get_client(sync_client=True) as client:
        triggers = [automation.trigger for automation in client.read_automations() if automation.enabled]
    return any(isinstance(trigger, EventTrigger) and RETRAIN in trigger.expect for trigger in triggers)


def main() -> int:
    """Run the flow and say how it ended; the exit status."""

    def start(ready: Ready) -> "State[Any]":
        ready()
        return cast("State[Any]", watch(return_state=True))

    status, _ = run_flow(NAME, start, again="Run it again.")
    return status


if __name__ == "__main__":
    argparse.ArgumentParser(prog="python -m flows.watch", description=sys.modules[__name__].watch.__doc__).parse_args()
    raise SystemExit(main())
