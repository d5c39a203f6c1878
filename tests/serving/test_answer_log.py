"""The log of answers, written by a server's real process."""

import hmac
import os
import sqlite3
import stat
import threading
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import requests
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from prometheus_client import REGISTRY
from sqlalchemy import Connection, select, text
from sqlalchemy.exc import OperationalError

from facesent.serving.answers.accuracy import in_service
from facesent.serving.answers.corrections import accept, waiting
from facesent.serving.gateway.answers.log import AnswerLog
from facesent.serving.gateway.answers.rows import AnsweredRequest, is_audited
from facesent.serving.gateway.answers.store import DEFAULT_ADDRESS, AnswersError, Store
from facesent.serving.gateway.answers.tables import answers, metadata
from facesent.serving.gateway.settings import LogSettings
from tests.helpers.answering import KEPT, SETTINGS, answering
from tests.helpers.serving import wait_until

ANSWER = {"label": "Happy", "confidence": 0.75, "probabilities": {"Happy": 0.75, "Sad": 0.25}, "version": 3}
ALL = replace(KEPT, photos=True, embeddings=True, audit_share=1.0)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FACESENT_ANSWERS_URI", raising=False)
    return tmp_path


def rows() -> list[Any]:
    with Store(DEFAULT_ADDRESS).reading() as connection:
        return connection.execute(select(answers).order_by(answers.c.time)).all()


def written(settings: LogSettings, *answered: AnsweredRequest) -> list[tuple[str, ...]]:
    log = AnswerLog(settings, lambda: Store(DEFAULT_ADDRESS))
    ids = [log.put(one) for one in answered]
    log.close(30)
    return ids


@pytest.mark.slow
def test_every_answer_of_service_is_a_row_when_the_server_has_ended(folder: Path) -> None:
    with answering() as server:
        bodies = {server.ask(2, **{"X-Facesent-Subject": "p-7"}).text, server.ask(2).text}
        ids = server.ask(2).headers["X-Facesent-Id"].split(",")
        assert server.ask(150).headers.get("X-Facesent-Id") is None
        assert server.ask(1, **{"X-Facesent-Subject": "a b"}).status_code == 400
        assert not server.end()
    assert len(bodies) == 1
    found = rows()
    # Neither the trial nor what was refused.
    assert len(found) == 156
    assert {row.id for row in found} > set(ids)
    row = found[0]
    assert (row.version, row.label, row.confidence, row.probabilities) == (3, "Happy", 0.75, ANSWER["probabilities"])
    assert (row.brightness, row.sharpness, row.width, row.height) == (90.5, 3.25, 40, 30)
    assert (row.subject, row.photo, row.embedding, row.content_hmac) == ("p-7", None, None, None)
    assert row.latency_ms > 0
    assert abs(datetime.now(UTC) - row.time) < timedelta(minutes=5)
    [client] = {row.client for row in found}
    assert b"127.0.0.1" not in (folder / "answers.db").read_bytes()
    [key] = (folder / "answers" / "keys").iterdir()
    assert hmac.new(key.read_bytes(), b"127.0.0.1", "sha256").hexdigest().startswith(client)
    for path in (folder / "answers.db", key):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert all(row.audit == is_audited(row.id, 0.5) and row.audit_weight == (2 if row.audit else None) for row in found)
    assert 50 < sum(row.audit for row in found) < 106


@pytest.mark.slow
def test_a_kill_loses_at_most_the_queue_and_the_table_is_whole() -> None:
    given: list[str] = []
    with answering() as server:
        first = server.ask().headers["X-Facesent-Id"]
        while not Path("answers.db").exists() or first not in [row.id for row in rows()]:
            pass

        def ask() -> None:
            with requests.Session() as session:
                try:
                    while True:
                        given.append(server.ask(3, session).headers["X-Facesent-Id"])
                except requests.RequestException:
                    return

        clients = [threading.Thread(target=ask) for _ in range(4)]
        for client in clients:
            client.start()
        while len(given) < 200:
            pass
        server.process.kill()
        for client in clients:
            client.join()
    ids = [id_ for answer in given for id_ in answer.split(",")]
    with sqlite3.connect("answers.db") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    kept = {row.id for row in rows()}
    # A request is there whole or not at all, and what is missing was asked last.
    assert len(kept) % 3 == 1
    assert len(set(ids) - kept) < KEPT.queue
    assert set(ids[:3]) <= kept
    [more] = written(KEPT, AnsweredRequest([ANSWER]))
    assert {*more} <= {row.id for row in rows()}


@pytest.mark.slow
def test_a_process_that_is_told_to_end_itself_writes_what_waits() -> None:
    with answering() as server, requests.Session() as session:
        given = [server.ask(1, session).headers["X-Facesent-Id"] for _ in range(20)]
        server.process.terminate()
        server.end()
    assert server.process.returncode == 0
    assert {row.id for row in rows()} == {*given}


@pytest.mark.slow
def test_a_broken_database_never_fails_an_answer_and_is_written_when_it_is_back(folder: Path) -> None:
    place = folder / "later" / "answers.db"
    settings = replace(SETTINGS, log=replace(KEPT, queue=5))
    with answering(settings, FACESENT_ANSWERS_URI=f"sqlite:///{place}", PROMETHEUS_MULTIPROC_DIR=str(folder)) as server:
        answered = [server.ask() for _ in range(8)]
        assert [one.status_code for one in answered] == [200] * 8
        ids = [one.headers["X-Facesent-Id"] for one in answered if "X-Facesent-Id" in one.headers]
        while "facesent_log_failures_total 0.0" in (
            metrics := requests.get(f"{server.address}/metrics", timeout=30).text
        ):
            pass
        assert 'facesent_log_dropped_total{what="answer"} 3.0' in metrics
        place.parent.mkdir()
        while not place.exists():
            pass
        said = server.end()
    assert said.count("cannot be written") == said.count("written again") == 1
    with Store(f"sqlite:///{place}").reading() as connection:
        assert set(connection.scalars(select(answers.c.id))) == set(ids)


def test_photos_embeddings_and_hashes_are_kept_where_that_is_asked_for(folder: Path) -> None:
    seen = {"embedding": [0.5, -2.0], "brightness": float("nan")}
    faces = [{**ANSWER, "row": 1}, {**ANSWER, "row": 1}]
    written(
        ALL, AnsweredRequest([ANSWER], ["data:image/png;base64,aGk"], [seen]), AnsweredRequest(faces, ["eA==", "aGk="])
    )
    found = rows()
    assert [(folder / "answers" / row.photo).read_bytes() for row in found] == [b"hi"] * 3
    assert len({row.content_hmac for row in found}) == 1
    assert found[0].embedding == b"\x00\x38\x00\xc0"
    assert (found[0].brightness, found[1].embedding) == (None, None)
    assert stat.S_IMODE((folder / "answers").stat().st_mode) == 0o700


def test_what_is_too_old_is_deleted_with_its_photo_and_leaves_no_bytes(folder: Path) -> None:
    old = datetime.now(UTC) - timedelta(days=31)
    written(replace(ALL, keep_days=99), AnsweredRequest([ANSWER], ["b2xk"], subject="somebody-old", time=old))
    [row] = rows()
    photo = folder / "answers" / row.photo
    os.utime(photo, (old.timestamp(), old.timestamp()))
    # Whoever opens the log deletes, and the writer each hour.
    written(ALL, AnsweredRequest([ANSWER], ["bmV3"]))
    [left] = rows()
    assert (folder / "answers" / left.photo).read_bytes() == b"new"
    assert not photo.exists()
    files = [path.read_bytes() for path in folder.glob("answers.db*")]
    assert files
    assert not [content for content in files if b"somebody-old" in content]


def test_a_photo_that_cannot_be_looked_at_keeps_no_other(folder: Path) -> None:
    old = (datetime.now(UTC) - timedelta(days=31)).timestamp()
    photos = folder / "answers" / "photos"
    photos.mkdir(parents=True)
    for name in ("a", "z"):
        (photos / name).touch()
        os.utime(photos / name, (old, old))
    (photos / "b").symlink_to("gone")
    Store(DEFAULT_ADDRESS).forget_older(30)
    assert [path.name for path in photos.iterdir()] == ["b"]


def test_answers_are_written_once_though_what_is_too_old_cannot_be_deleted(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    old = AnsweredRequest([ANSWER], ["b2xk"], time=datetime.now(UTC) - timedelta(days=31))
    [(kept,)] = written(replace(ALL, keep_days=99), old)
    [row] = rows()
    (folder / "answers" / row.photo).unlink()
    (folder / "answers" / row.photo).mkdir()
    [(new,)] = written(ALL, AnsweredRequest([ANSWER], ["bmV3"]))
    assert [row.id for row in rows()] == [kept, new]
    assert [message.partition(":")[0] for message in caplog.messages] == [
        "What is too old stays in the log of answers for another hour"
    ]


def test_an_answer_that_cannot_be_a_row_leaves_the_others(capfd: pytest.CaptureFixture[str]) -> None:
    written(KEPT, AnsweredRequest([{"surprise": 1}]), AnsweredRequest([ANSWER]))
    assert [row.label for row in rows()] == ["Happy"]


def test_no_photo_stays_of_an_answer_that_is_left_out_and_none_goes_of_one_that_is_there(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The second face is no row; the photo of the first is written by then.
    written(ALL, AnsweredRequest([ANSWER, {"surprise": 1}], ["b25l", "dHdv"]))
    assert not list((folder / "answers" / "photos").iterdir())
    # Where the database's word that it has the rows is lost, they come again.
    monkeypatch.setattr("facesent.serving.gateway.answers.log.uuid4", lambda: UUID(int=1))
    for _ in range(2):
        written(ALL, AnsweredRequest([ANSWER], ["b25l"]))
    [row] = rows()
    assert (folder / "answers" / row.photo).read_bytes() == b"one"


def test_what_is_written_of_a_batch_is_not_tried_again_when_the_database_goes_in_its_midst(folder: Path) -> None:
    stores = []

    def opened() -> Store:
        store = Store(DEFAULT_ADDRESS)
        stores.append(store)
        if len(stores) == 1:
            # It takes the first answer; the second is no row; it is gone at the third.
            writing = iter([store.writing])
            store.writing = lambda: next(writing, gone)()  # type: ignore[method-assign]
        return store

    dropped = REGISTRY.get_sample_value("facesent_log_dropped_total", {"what": "answer"}) or 0
    log = AnswerLog(ALL, opened)
    for one in (AnsweredRequest([ANSWER], ["b25l"]), AnsweredRequest([{"surprise": 1}]), AnsweredRequest([ANSWER])):
        log.put(one)
    wait_until(lambda: len(stores) == 2 and len(rows()) == 2, lambda: f"{len(stores)} stores")
    log.close(30)
    assert len(rows()) == 2
    assert REGISTRY.get_sample_value("facesent_log_dropped_total", {"what": "answer"}) == dropped + 1


def gone() -> AbstractContextManager[Connection]:
    raise OperationalError("INSERT", {}, Exception("the database is away"))


def test_a_log_of_a_newer_facesent_is_refused(folder: Path) -> None:
    store = Store(DEFAULT_ADDRESS)
    with store.writing() as connection:
        connection.execute(text("UPDATE facesent_answers_version SET version_num = '99'"))
    with pytest.raises(AnswersError, match="99, of a newer facesent"):
        Store(DEFAULT_ADDRESS)


@pytest.mark.parametrize("address", ["sqlite://", "mysql://a/b", "no address", "oracle+none://x"])
def test_an_address_of_no_such_database_is_refused(address: str) -> None:
    with pytest.raises(AnswersError, match="FACESENT_ANSWERS_URI"):
        Store(address)


def test_the_migrations_make_the_tables() -> None:
    with Store(DEFAULT_ADDRESS).reading() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": "facesent_answers_version"})
        assert compare_metadata(context, metadata) == []


def test_the_audit_draws_its_share() -> None:
    ids = [uuid4().hex for _ in range(20_000)]
    assert sum(is_audited(id_, 0.02) for id_ in ids) == pytest.approx(400, abs=100)
    assert all(is_audited(id_, 1.0) for id_ in ids)
    assert not any(is_audited(id_, 0.0) for id_ in ids)


@pytest.mark.slow
@pytest.mark.long
def test_a_team_logs_into_postgresql(postgres: str) -> None:
    with answering(FACESENT_ANSWERS_URI=postgres) as one, answering(FACESENT_ANSWERS_URI=postgres) as other:
        ids = [server.ask(2).headers["X-Facesent-Id"].split(",")[0] for server in (one, other)]
        assert not one.end()
        corrected = requests.post(f"{other.address}/feedback", json={"id": ids[0], "label": "Sad"}, timeout=30)
        assert corrected.status_code == 202
        assert not other.end()
    store = Store(postgres)
    with store.reading() as connection:
        assert {row.id for row in connection.execute(select(answers))} > set(ids)
        context = MigrationContext.configure(connection, opts={"version_table": "facesent_answers_version"})
        assert compare_metadata(context, metadata) == []
    [found] = waiting(store)
    assert (found.answer_id, found.label) == (ids[0], "Sad")
    assert [one.version for one in in_service(store, 0.95)] == [3]
    assert len(accept(store, None)) == 1
    assert store.forget_older(0) == 4
