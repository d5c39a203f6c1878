from pathlib import Path

import numpy as np
import pytest
import yaml
from mlflow.tracking import MlflowClient
from prefect.client.orchestration import get_client
from prefect.events import AutomationCore, DoNothing, EventTrigger
from prefect.events.schemas.automations import Posture
from prefect.logging import disable_run_logger

from facesent.core.paths import Project
from facesent.registry import runs
from facesent.registry.versions import NAME
from facesent.watch.cure import Labelled
from facesent.watch.hours import Hours
from facesent.watch.look import DriftStatus
from flows.watch import RETRAIN, _answer, watch
from tests.helpers.webhook import Receiver


def make_version() -> None:
    client = MlflowClient()
    client.create_registered_model(NAME)
    client.create_model_version(NAME, source="file:///nowhere", run_id=runs.begin("training", {}))


def tell_to(address: str) -> None:
    settings = yaml.safe_load((Path(__file__).parents[2] / "params.yaml").read_text())
    settings["notify"]["urls"] = [address]
    Path("params.yaml").write_text(yaml.safe_dump(settings))


def alarm_of(version: int, labels: Labelled | None = None) -> DriftStatus:
    hours = Hours([], [], np.empty((0, 1)), ["brightness"])
    return DriftStatus(version, "alarm", "brightness down", hours, labels=labels)


def test_an_alarm_that_reached_nobody_is_told_again_at_the_next_look(
    project: Path, mlflow_store: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_version()
    tell_to(f"{receiver.url}/${{CHAT_TOKEN}}")
    monkeypatch.delenv("CHAT_TOKEN", raising=False)
    alarm = alarm_of(1)
    told = []
    with disable_run_logger():
        for token in (None, "hidden-word", "hidden-word"):
            if token:
                monkeypatch.setenv("CHAT_TOKEN", token)
            _answer(Project(project), alarm, alarm.sentence)
            told.append(len(receiver.messages))
    assert told == [0, 1, 1]


@pytest.mark.slow
@pytest.mark.usefixtures("prefect_server", "mlflow_store")
def test_an_alarm_of_which_nobody_could_be_told_is_a_fault_and_told(
    project: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell_to(receiver.url)
    monkeypatch.setattr("flows.watch.look", lambda project: alarm_of(7))
    state = watch(return_state=True)
    assert state.is_failed(), state.name
    assert "7" in (state.message or "")
    [message] = receiver.messages
    assert message["title"] == "facesent: failed"
    assert message["message"].startswith("facesent-watch: ")


@pytest.mark.slow
@pytest.mark.usefixtures("prefect_server", "mlflow_store")
def test_photos_are_taken_where_a_deployment_waits_for_them_and_else_people_are_told_once(
    project: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_version()
    tell_to(receiver.url)
    taken = []
    monkeypatch.setattr("flows.watch.take", lambda _, seen: taken.append(seen.version))
    alarm = alarm_of(1, Labelled({"1.jpg": "ann"}, needed=1, gain=0.1))
    trigger = EventTrigger(expect={RETRAIN}, posture=Posture.Reactive, threshold=1)
    with disable_run_logger(), get_client(sync_client=True) as client:
        for _ in range(2):
            _answer(Project(project), alarm, alarm.sentence)
        assert not taken
        [message] = receiver.messages
        assert "prefect --no-prompt deploy --all" in message["message"]
        waiting = client.create_automation(AutomationCore(name="as on-alarm", trigger=trigger, actions=[DoNothing()]))
        try:
            for _ in range(2):
                _answer(Project(project), alarm, alarm.sentence)
        finally:
            client.delete_automation(waiting)
    assert taken == [1]
    assert len(receiver.messages) == 1


@pytest.mark.slow
@pytest.mark.usefixtures("prefect_server", "mlflow_store")
def test_as_long_as_nothing_is_in_service_there_is_nothing_to_do_and_no_fault(project: Path) -> None:
    settings = Path(__file__).parents[2] / "params.yaml"
    (project / "params.yaml").write_bytes(settings.read_bytes())
    state = watch(return_state=True)
    assert (state.name, state.is_completed()) == ("Idle", True)
    assert state.message
