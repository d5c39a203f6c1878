"""Corrections over HTTP and by command, what becomes of accepted ones, and accuracy in service."""

import base64
import hashlib
import io
import json
import resource
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image
from starlette.testclient import TestClient

from facesent.cli import main
from facesent.dataset.metadata import read_metadata
from facesent.params import load_params
from facesent.serving.answers.accuracy import expected_accuracy, in_service
from facesent.serving.answers.app_feedback import note_wrong
from facesent.serving.answers.corrections import accept, waiting
from facesent.serving.answers.log import LogError
from facesent.serving.gateway.answers.correcting import Correction, correct
from facesent.serving.gateway.answers.log import AnswerLog
from facesent.serving.gateway.answers.rows import AnsweredRequest
from facesent.serving.gateway.answers.store import DEFAULT_ADDRESS, WATCHED, Store
from facesent.serving.gateway.app import Gateway
from tests.helpers.answering import KEPT, SETTINGS, Faces

REPOSITORY = Path(__file__).parents[2]
SHARES = {"Happy": 0.75, "Sad": 0.25}
ANSWER = {"label": "Happy", "confidence": 0.75, "probabilities": SHARES, "version": 3, "box": None}


@pytest.fixture(autouse=True)
def folder(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("FACESENT_ANSWERS_URI", raising=False)
    for name in ("params.yaml", "dvc.yaml"):
        (project / name).write_bytes((REPOSITORY / name).read_bytes())
    return project


def logged(*answered: AnsweredRequest, **settings: Any) -> list[str]:
    log = AnswerLog(replace(KEPT, **settings), lambda: Store(DEFAULT_ADDRESS))
    ids = [id_ for one in answered for id_ in log.put(one)]
    log.close(30)
    return ids


def png(width: int = 40) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, 30), (width, 60, 60)).save(buffer, "PNG")
    return buffer.getvalue()


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["feedback", *arguments])


def client_of(**settings: Any) -> TestClient:
    gateway = Gateway(Faces(), replace(SETTINGS, **settings))
    gateway.in_service = True
    return TestClient(gateway)


def test_a_client_corrects_an_answer_and_it_waits() -> None:
    [id_] = logged(AnsweredRequest([ANSWER]))
    client = client_of()
    sent = client.post("/feedback", json={"id": id_, "label": "Sad", "note": "weeps"})
    assert (sent.status_code, sent.json()) == (202, {"status": "waiting"})
    # What the same client says later of the same answer counts.
    assert client.post("/feedback", json={"id": id_, "label": "Happy"}).status_code == 202
    [found] = waiting(Store(DEFAULT_ADDRESS))
    assert (found.answer_id, found.label, found.note, found.source) == (id_, "Happy", None, "client")


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        ('{"id": "ID", "label": "Angry"}', {}, 400),
        ('{"id": "ID", "label": 1}', {}, 400),
        ('{"id": "ID", "label": "Sad", "status": "accepted"}', {}, 400),
        ('{"id": "ID", "label": "Sad", "note": "two\\nlines"}', {}, 400),
        ('{"id": "ID", "label": "Sad", "note": "\\ud800"}', {}, 400),
        ('{"id": "ID"', {}, 400),
        ("[" * 5000, {}, 400),
        (b"\xff\xfe", {}, 400),
        ('{"id": "0123456789abcdef0123456789abcdef", "label": "Sad"}', {}, 404),
        ('{"id": "\\u0000", "label": "Sad"}', {}, 404),
        ('{"id": "ID", "label": "Sad"}' + " " * 20_000, {}, 413),
        ('{"id": "ID", "label": "Sad"}', {"content-type": "text/plain"}, 415),
        ('{"id": "ID", "label": "Sad"}', {"content-type": "application/json-seq"}, 415),
        ('{"id": "ID", "label": "Sad"}', {"content-encoding": "gzip"}, 415),
        ('{"id": "ID", "label": "Sad"}', {"host": "elsewhere.example"}, 421),
        ('{"id": "ID", "label": "Sad"}', {"authorization": "Bearer ask-me"}, 401),
    ],
)
def test_what_is_no_correction_is_refused(body: Any, headers: dict[str, str], status: int) -> None:
    [id_] = logged(AnsweredRequest([ANSWER]))
    tokens = {"ask": "ask-me", "correct": "correct-me"}
    client = client_of(hosts=("testserver",), tokens=tokens)
    sent = {"content-type": "application/json", "authorization": "Bearer correct-me", **headers}
    content = body if isinstance(body, bytes) else body.replace("ID", id_)
    response = client.post("/feedback", content=content, headers=sent)
    assert response.status_code == status, response.text
    assert response.json()["message"].startswith("Expected ")
    assert not waiting(Store(DEFAULT_ADDRESS))


def test_a_client_has_so_many_corrections_and_no_more() -> None:
    ids = logged(*[AnsweredRequest([ANSWER]) for _ in range(5)])
    client = client_of()
    statuses = [client.post("/feedback", json={"id": id_, "label": "Sad"}).status_code for id_ in ids]
    assert statuses == [202] * KEPT.corrections + [429] * 2
    assert run("accept", "--all").exit_code == 0
    assert client.post("/feedback", json={"id": ids[4], "label": "Sad"}).status_code == 202


def test_a_server_without_a_log_takes_no_correction_and_names_no_answer() -> None:
    client = client_of(log=None)
    assert client.post("/feedback", json={"id": "x", "label": "Sad"}).status_code == 404
    photo = base64.b64encode(png()).decode()
    assert "x-facesent-id" not in client.post("/invocations", json={"inputs": {"image": [photo]}}).headers
    assert not Path("answers.db").exists()


def test_accepted_photos_come_into_data_with_their_person(folder: Path) -> None:
    box = {"left": 10, "top": 5, "width": 8, "height": 8}
    ids = logged(
        AnsweredRequest([ANSWER], [png(40)], subject="p-7"),
        AnsweredRequest([{**ANSWER, "box": box}], [png(50)], subject="p-7"),
        AnsweredRequest([ANSWER], [png(60)], client="10.0.0.9"),
        photos=True,
    )
    for id_ in ids:
        assert run(id_[:12], "Sad").exit_code == 0
    assert "No corrections are waiting" not in run().output
    for label in ("Happy", "Sad"):
        (folder / "data" / label).mkdir(parents=True)
        (folder / "data" / label / "one.png").write_bytes(png(90 + len(label)))
    said = run("accept", "1", "2", "3").output
    assert "Next: facesent data add outputs/feedback" in said
    taken = sorted((folder / "outputs" / "feedback" / "Sad").iterdir())
    assert [path.stem for path in taken] == sorted(ids)
    with Image.open(folder / "outputs" / "feedback" / "Sad" / f"{ids[1]}.png") as cut:
        assert cut.size == (8, 8)
    added = CliRunner().invoke(main, ["data", "add", "outputs/feedback"])
    assert added.exit_code == 0, added.output
    names = [f"Sad/{id_}.png" for id_ in ids]
    rows = {row["file_name"]: row for row in read_metadata(folder / "data" / "metadata.csv", names).rows}
    assert rows[names[0]]["group"] == rows[names[1]]["group"] == "subject-p-7"
    assert rows[names[2]]["group"].startswith("client-")
    sources = [rows[name]["source_sha256"] for name in names]
    assert sources == ["", hashlib.sha256(png(50)).hexdigest(), ""]
    assert [len(rows[name]["source_phash"]) for name in names] == [0, 32, 0]


def test_audited_photos_may_be_tested_on_and_what_clients_correct_is_trained_on(folder: Path) -> None:
    audited, corrected = logged(
        *[AnsweredRequest([ANSWER], [png(side)]) for side in (40, 50)], photos=True, audit_share=1.0
    )
    assert run(audited, "Sad").exit_code == 0
    assert client_of().post("/feedback", json={"id": corrected, "label": "Sad"}).status_code == 202
    assert run("accept", "--all").exit_code == 0
    taken = folder / "outputs" / "feedback"
    names = [f"Sad/{id_}.png" for id_ in (audited, corrected)]
    splits = {row["file_name"]: row["split"] for row in read_metadata(taken / "metadata.csv", names).rows}
    assert [splits[name] for name in names] == ["", "train"]


def test_decisions_are_for_what_waits_and_for_one_label_an_answer() -> None:
    [id_] = logged(AnsweredRequest([ANSWER]))
    with Store(DEFAULT_ADDRESS).writing() as connection:
        first = correct(connection, Correction(id_, "Sad"), "client", "somebody")
        second = correct(connection, Correction(id_, "Happy"), "client", "another")
    both = run("accept", "--all")
    assert both.exit_code == 1
    assert "Expected one label for answer" in both.output
    assert run("reject", str(second)).output == "Rejected 1.\n"
    assert run("accept", str(first)).output == "Accepted 1.\n"
    again = run("accept", str(first))
    assert "Expected the numbers of waiting corrections" in again.output
    assert run().output == "No corrections are waiting.\n"


@pytest.mark.parametrize("arguments", [["9f", "Happy"], ["zz%", "Happy"], ["ID", "Angry"], ["accept"], ["ID"]])
def test_a_command_says_what_it_expected(arguments: list[str]) -> None:
    [id_] = logged(AnsweredRequest([ANSWER]))
    if arguments[0] == "9f" and id_.startswith("9f"):
        return
    result = run(*[id_ if word == "ID" else word for word in arguments])
    assert result.exit_code in (1, 2)
    assert "Traceback" not in result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)


def label_as_right(ids: Sequence[str], label: str, source: Any) -> None:
    store = Store(DEFAULT_ADDRESS)
    with store.writing() as connection:
        for id_ in ids:
            correct(connection, Correction(id_, label), source)
    accept(store, None)


def test_accuracy_in_service_comes_from_the_audit_alone() -> None:
    audited = logged(*[AnsweredRequest([ANSWER], subject=f"p-{number}") for number in range(40)], audit_share=1.0)
    others = logged(*[AnsweredRequest([ANSWER], subject=f"p-{number}") for number in range(20)], audit_share=0.0)
    store = Store(DEFAULT_ADDRESS)
    [before] = in_service(store, 0.95)
    assert (before.version, before.answers, before.marked, before.accuracy) == (3, 60, 40, None)
    assert before.expected.value == pytest.approx(0.75)
    # What clients call wrong is a count, of audited answers too.
    label_as_right([*others, *audited[30:]], "Sad", "client")
    [counted] = in_service(store, 0.95)
    assert (counted.accuracy, counted.corrections) == (None, 30)
    label_as_right(audited[:24], "Happy", "cli")
    label_as_right(audited[24:30], "Sad", "cli")
    store.folder.mkdir()
    (store.folder / WATCHED).write_text(json.dumps({"version": 3, "alarm": 1}))
    [after] = in_service(store, 0.95)
    assert (after.accuracy.images, after.accuracy.value, after.expected) == (30, 0.8, None)
    assert 0.6 < after.accuracy.low < 0.8 < after.accuracy.high < 0.95
    report = run("report").output
    assert "80%" in report
    assert "75%" not in report
    (store.folder / WATCHED).write_text(json.dumps({"version": 3, "alarm": 0}))
    assert "75%" in run("report").output
    assert "calibrated on validation" in " ".join(report.split())
    assert run("audit").output.count("version 3") == 10


def test_an_answer_of_the_audit_stands_for_those_that_were_not_drawn() -> None:
    rare: list[str] = []
    while len(rare) < 10:
        rare += [
            row.id
            for row in _marked(
                logged(*[AnsweredRequest([ANSWER], subject=str(n)) for n in range(100)], audit_share=0.25)
            )
        ]
    often = logged(*[AnsweredRequest([ANSWER], subject=f"x-{number}") for number in range(30)], audit_share=1.0)
    label_as_right(rare, "Happy", "cli")
    label_as_right(often, "Sad", "cli")
    [found] = in_service(Store(DEFAULT_ADDRESS), 0.95)
    assert found.accuracy.value == pytest.approx(4 * len(rare) / (4 * len(rare) + 30))


def _marked(ids: Sequence[str]) -> list[Any]:
    from facesent.serving.answers.corrections import to_audit

    return [row for row in to_audit(Store(DEFAULT_ADDRESS)) if row.id in ids]


def test_the_expected_accuracy_is_that_of_held_back_photos() -> None:
    from sklearn.datasets import load_digits
    from sklearn.linear_model import LogisticRegression

    from facesent.model.calibration import at_temperature, fit_temperature

    images, truth = load_digits(return_X_y=True)
    order = np.random.default_rng(7).permutation(len(truth))
    # Half of the pixels, so that it errs; too sure of itself, until validation says how much.
    images = images[:, ::2]
    train, val, test = np.split(order, [300, 900])
    classifier = LogisticRegression(C=100, max_iter=2000).fit(images[train], truth[train])
    temperature = fit_temperature(classifier.predict_proba(images[val]), truth[val])
    answered = at_temperature(classifier.predict_proba(images[test]), temperature)
    right = float((answered.argmax(axis=1) == truth[test]).mean())
    expected = expected_accuracy(float(answered.max(axis=1).mean()), len(test), 0.95)
    assert expected.low <= right <= expected.high
    # As it was before validation, it would have promised too much.
    sure = expected_accuracy(float(classifier.predict_proba(images[test]).max(axis=1).mean()), len(test), 0.95)
    assert sure.low > right


def test_answers_are_kept_so_long_as_the_settings_say(folder: Path) -> None:
    days = load_params(folder / "params.yaml").log.keep_days
    old, new = (datetime.now(UTC) - timedelta(days=days + delta) for delta in (1, -1))
    ids = logged(
        AnsweredRequest([ANSWER], time=old), AnsweredRequest([ANSWER], time=new), keep_days=99, audit_share=1.0
    )
    listed = run("audit").output
    assert [id_ in listed for id_ in ids] == [False, True]


@pytest.mark.parametrize(("label", "corrections"), [("Sad", 1), ("Angry", 9)])
def test_the_app_keeps_no_photo_of_a_correction_that_is_refused(folder: Path, label: str, corrections: int) -> None:
    log = load_params(folder / "params.yaml").log.model_copy(
        update={"enabled": True, "photos": True, "corrections": corrections}
    )
    note_wrong(log, ANSWER, png(), "Sad")
    [kept] = Path("answers/photos").iterdir()
    with pytest.raises(LogError):
        note_wrong(log, ANSWER, png(50), label)
    assert [*Path("answers/photos").iterdir()] == [kept]
    [found] = waiting(Store(DEFAULT_ADDRESS))
    assert found.answer_id == kept.name


def test_the_app_keeps_no_part_of_a_photo_that_could_not_be_written(folder: Path) -> None:
    log = load_params(folder / "params.yaml").log.model_copy(update={"enabled": True, "photos": True})
    full = resource.getrlimit(resource.RLIMIT_FSIZE)
    note_wrong(log, ANSWER, png(), "Sad")
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, full[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            note_wrong(log, ANSWER, b"a" * 2_000_000, "Sad")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, full)
    assert len([*Path("answers/photos").iterdir()]) == 1
