from pathlib import Path

import numpy as np
import pytest
import yaml
from mlflow.tracking import MlflowClient
from prefect.logging import disable_run_logger

from facesent.core.paths import Project
from facesent.registry import runs
from facesent.registry.versions import NAME
from facesent.watch.hours import Hours
from facesent.watch.look import Look
from flows.watch import _answer, watch
from tests.helpers.webhook import Receiver


def test_an_alarm_that_reached_nobody_is_told_again_at_the_next_look(
    project: Path, mlflow_store: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = MlflowClient()
    client.create_registered_model(NAME)
    client.create_model_version(NAME, source="file:///nowhere", run_id=runs.begin("training", {}))
    settings = yaml.safe_load((Path(__file__).parents[2] / "params.yaml").read_text())
    settings["notify"]["urls"] = [f"{receiver.url}/${{CHAT_TOKEN}}"]
    (project / "params.yaml").write_text(yaml.safe_dump(settings))
    monkeypatch.delenv("CHAT_TOKEN", raising=False)
    alarm = Look(1, "alarm", "brightness down", Hours([], [], np.empty((0, 1)), ["brightness"]))
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
    settings = yaml.safe_load((Path(__file__).parents[2] / "params.yaml").read_text())
    settings["notify"]["urls"] = [receiver.url]
    (project / "params.yaml").write_text(yaml.safe_dump(settings))
    alarm = Look(7, "alarm", "brightness down", Hours([], [], np.empty((0, 1)), ["brightness"]))
    monkeypatch.setattr("flows.watch.look", lambda project: alarm)
    state = watch(return_state=True)
    assert state.is_failed(), state.name
    assert "7" in (state.message or "")
    [message] = receiver.messages
    assert message["title"] == "facesent: failed"
    assert message["message"].startswith("facesent-watch: ")


@pytest.mark.slow
@pytest.mark.usefixtures("prefect_server", "mlflow_store")
def test_as_long_as_nothing_is_in_service_there_is_nothing_to_do_and_no_fault(project: Path) -> None:
    settings = Path(__file__).parents[2] / "params.yaml"
    (project / "params.yaml").write_bytes(settings.read_bytes())
    state = watch(return_state=True)
    assert (state.name, state.is_completed()) == ("Idle", True)
    assert state.message
