import shutil
from pathlib import Path

import pytest

from facesent.core.paths import Project
from facesent.params import Event, Notify
from flows.notifications import notify, tell
from tests.helpers.webhook import Receiver

EVERYTHING: list[Event] = ["failed", "rejected", "promoted", "waiting"]


def test_a_message_reaches_the_receiver_with_a_token_from_the_environment(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHAT_TOKEN", "hidden-word")
    settings = Notify(urls=[f"{receiver.url}/${{CHAT_TOKEN}}"], events=EVERYTHING)
    notify(settings, "promoted", "facesent: promoted", "version 3", pytest.fail)
    [message] = receiver.messages
    assert (message["title"], message["message"]) == ("facesent: promoted", "version 3")
    assert receiver.paths == ["/hidden-word"]


def test_events_that_nobody_asked_for_are_not_told(receiver: Receiver) -> None:
    settings = Notify(urls=[receiver.url], events=["failed"])
    notify(settings, "promoted", "title", "text", pytest.fail)
    assert receiver.messages == []


def test_it_says_whether_anybody_was_reached_where_there_is_somebody_to_tell(receiver: Receiver) -> None:
    unknown = "no-such-service://somewhere"
    for urls, reached in (
        ([], True),
        ([receiver.url], True),
        ([unknown, receiver.url], True),
        ([receiver.url, unknown], True),
        ([unknown, unknown], False),
    ):
        assert notify(Notify(urls=urls, events=["alarm"]), "alarm", "title", "text", str) is reached
        assert notify(Notify(urls=urls, events=["failed"]), "alarm", "title", "text", pytest.fail) is True


def test_what_cannot_be_sent_is_a_warning_without_the_address(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    port = receiver.server_port
    receiver.server_close()
    monkeypatch.delenv("NO_SUCH_TOKEN", raising=False)
    urls = [
        f"json://me:hidden-word@127.0.0.1:{port}", "no-such-service://hidden-word", "json://${NO_SUCH_TOKEN}",
        "json://me:hidden-word/x@127.0.0.1",
    ]  # fmt: skip
    told: list[str] = []
    notify(Notify(urls=urls, events=EVERYTHING), "failed", "title", "text", told.append)
    assert [line.split(":")[0] for line in told] == [f"notify.urls, number {number}" for number in (1, 2, 3, 4)]
    assert "NO_SUCH_TOKEN" in told[2]
    assert "hidden-word" not in str(told)
    assert "hidden-word" not in caplog.text


def test_a_projects_settings_say_who_is_told(receiver: Receiver, tmp_path: Path) -> None:
    project = Project(tmp_path)
    tell(project, pytest.fail, "failed", "nobody is known")
    shutil.copy(Path(__file__).parents[2] / "params.yaml", project.params)
    project.params.write_text(project.params.read_text().replace("urls: []", f"urls: ['{receiver.url}']"))
    tell(project, pytest.fail, "failed", "train: no memory")
    [message] = receiver.messages
    assert (message["title"], message["message"]) == ("facesent: failed", "train: no memory")
