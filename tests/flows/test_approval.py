import time
from collections.abc import Callable
from contextvars import copy_context
from itertools import count
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from mlflow.tracking import MlflowClient
from prefect import flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.objects import FlowRun, State

from facesent.core.errors import TrackingError
from facesent.core.paths import Project
from facesent.promotion import approval
from facesent.promotion.aliases import Promotion
from facesent.promotion.canary import trial
from facesent.registry import decisions
from facesent.registry.decisions import Aliases, Approval
from facesent.registry.versions import NAME
from flows.approval import wait_for_answer
from flows.pipeline import decide
from flows.summary import Summary
from tests.helpers import promoters
from tests.helpers.trained_project import make_project
from tests.helpers.webhook import Receiver

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("prefect_server", "mlflow_store")]

LONG = 1.0


@flow
def asking(hours: float) -> Approval | None:
    question = approval.ask(promoters.verdict_on(2, champion=1))
    return wait_for_answer(question, hours) if question else None


@flow
def deciding(hours: float) -> Summary:
    return decide(Project(), hours)


def paused_run(client: SyncPrefectClient) -> FlowRun:
    paused = FlowRunFilter.model_validate({"state": {"type": {"any_": ["PAUSED"]}}})
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if runs := client.read_flow_runs(flow_run_filter=paused):
            return runs[0]
        time.sleep(0.2)
    pytest.fail("no flow run paused")


def while_paused(act: Callable[[SyncPrefectClient, FlowRun], object], run: Callable[[], "State[Any]"]) -> "State[Any]":
    """What the flow comes to when somebody acts as soon as it waits."""

    def then_act() -> None:
        with get_client(sync_client=True) as client:
            act(client, paused_run(client))

    person = Thread(target=copy_context().run, args=[then_act])
    person.start()
    try:
        return run()
    finally:
        person.join()


def press_resume(**form: Any) -> Callable[[SyncPrefectClient, FlowRun], None]:
    """Do what the page does: again where the form is not there yet."""

    def press(client: SyncPrefectClient, run: FlowRun) -> None:
        while client.resume_flow_run(run.id, run_input=form).status == "REJECT":
            time.sleep(0.2)

    return press


@pytest.fixture
def second_version(mlflow_store: Path) -> None:
    """Version 1 is champion, and version 2 passed."""
    promoters.make_versions(2)
    promoters.promote(1)


@pytest.mark.usefixtures("second_version")
def test_the_terminals_word_resumes_the_flow() -> None:
    state = while_paused(lambda *_: approval.approve(2, by="ann"), lambda: asking(LONG, return_state=True))
    answer = state.result()
    assert (answer.state, answer.by) == ("approved", "ann")
    assert decisions.read().aliases == Aliases(2, 1)


@pytest.mark.usefixtures("second_version")
def test_the_pages_button_serves_the_version() -> None:
    state = while_paused(press_resume(approve=True, by="bob"), lambda: asking(LONG, return_state=True))
    answer = state.result()
    assert (answer.state, answer.by) == ("approved", "bob")
    assert decisions.read().aliases == Aliases(2, 1)


@pytest.mark.usefixtures("second_version")
@pytest.mark.long
def test_the_pages_form_can_reject() -> None:
    form = press_resume(approve=False, by="bob", reason="one person in half of the photos")
    answer = while_paused(form, lambda: asking(LONG, return_state=True)).result()
    assert (answer.state, answer.reason) == ("rejected", "one person in half of the photos")
    assert decisions.read().aliases == Aliases(1, None)
    assert asking(LONG).state == "rejected", "nobody is asked twice, nor waited for"


@pytest.mark.usefixtures("second_version")
def test_the_pages_answer_outlasts_a_tracking_server_that_restarts(monkeypatch: pytest.MonkeyPatch) -> None:
    calls, approve = count(), approval.approve

    def away_at_first(version: int, *, by: str, reason: str = "") -> Promotion:
        if next(calls) == 0:
            raise TrackingError("MLflow restarts.")
        return approve(version, by=by, reason=reason)

    monkeypatch.setattr(approval, "approve", away_at_first)
    form = press_resume(approve=True, by="bob", reason="looked at all photos")
    answer = while_paused(form, lambda: asking(LONG, return_state=True)).result()
    assert (answer.state, answer.by, answer.reason) == ("approved", "bob", "looked at all photos")
    assert decisions.read().aliases == Aliases(2, 1)


@pytest.mark.usefixtures("second_version")
def test_a_question_that_was_deleted_does_not_keep_the_flow_waiting() -> None:
    def delete(*_: object) -> None:
        MlflowClient().delete_model_version_tag(NAME, "2", "facesent.approval")

    state = while_paused(delete, lambda: asking(LONG, return_state=True))
    assert state.is_failed()
    assert "it was deleted" in (state.message or "")


@pytest.mark.usefixtures("second_version")
def test_where_nobody_answers_the_flow_completes_and_the_question_stays() -> None:
    state = asking(0, return_state=True)
    assert state.is_completed()
    assert state.result().state == "waiting"
    assert decisions.read().aliases == Aliases(1, None)
    approval.approve(2, by="ann")
    assert decisions.read().aliases == Aliases(2, 1)


@pytest.mark.long
def test_the_pipeline_promotes_what_was_approved_and_says_by_whom(
    project: Any, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "canary", lambda _, candidate, _waiting: promoters.passed_canary(candidate.version))
    made = make_project(project)
    settings = made.params.read_text().replace("approval: false", "approval: true")
    made.params.write_text(settings.replace("urls: []", f"urls: ['{receiver.url}']"))
    unanswered = deciding(0)
    assert "Not promoted: Version 1 waits for approval: facesent approve 1" in unanswered.sentence
    assert "approved by" not in unanswered.rows
    [message] = receiver.messages
    assert message["title"] == "facesent: waiting"
    assert "facesent approve 1" in message["message"]
    state = while_paused(lambda *_: approval.approve(1, by="ann"), lambda: deciding(LONG, return_state=True))
    summary = state.result()
    assert summary.rows["approved by"] == "ann"
    assert summary.rows["model version"] == "1 (served: version 1)"
    assert "20 ms" in summary.rows["canary"]
