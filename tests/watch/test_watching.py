"""From the log to an alarm, a page and what the flow makes of it: real tables, a real registry, drawn traffic."""

import json
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from mlflow.tracking import MlflowClient
from sqlalchemy import delete, insert, select, update

from facesent.cli import main
from facesent.core.files import sha256
from facesent.dataset.files import METADATA
from facesent.dataset.metadata import parse
from facesent.params import load_params
from facesent.registry import artifacts, runs, versions
from facesent.registry.versions import CHAMPION, NAME, set_alias
from facesent.serving.gateway.answers.correcting import Correction, correct
from facesent.serving.gateway.answers.rows import know_version
from facesent.serving.gateway.answers.store import DEFAULT_ADDRESS, WATCHED, Store
from facesent.serving.gateway.answers.tables import ACCEPTED, answers, corrections
from facesent.watch.cure import FOLDER, hand_over, labelled, people_needed
from facesent.watch.look import once
from facesent.watch.watching import watching

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).parents[2]
LABELS = ["Happy", "Neutral", "Sad"]
DAYS = 8
START = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(days=20)


@pytest.fixture(autouse=True)
def champion(project: Path, mlflow_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FACESENT_ANSWERS_URI", raising=False)
    for name in ("params.yaml", "dvc.yaml"):
        (project / name).write_bytes((REPOSITORY / name).read_bytes())
    run_id = runs.begin("training", {})
    client = MlflowClient()
    client.create_registered_model(NAME)
    client.create_model_version(NAME, source="file:///nowhere", run_id=run_id)
    set_alias(CHAMPION, 1)


def log(first_hour: int, hours: int, *, brightness: float = 120.0, happy: float = 0.5, seed: int = 1) -> None:
    """Answers of eight clients an hour, three each."""
    chance = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    for hour in range(first_hour, first_hour + hours):
        for client in range(8):
            light = brightness + chance.normal(0, 15)
            for _ in range(3):
                label = str(chance.choice(LABELS, p=[happy, (1 - happy) / 2, (1 - happy) / 2]))
                rows.append(
                    {
                        "id": uuid4().hex, "time": START + timedelta(hours=hour, minutes=int(chance.integers(60))),
                        "source": "server", "version": 1, "label": label, "audit": True, "audit_weight": 1.0,
                        "confidence": float(chance.uniform(0.5, 0.99)), "probabilities": {label: 0.9},
                        "brightness": light + chance.normal(0, 5), "sharpness": float(chance.lognormal(5, 0.3)),
                        "client": f"client-{client}-{hour // 24}",
                    }
                )  # fmt: skip
    store = Store(DEFAULT_ADDRESS)
    with store.writing() as connection:
        know_version(connection, 1, LABELS)
        connection.execute(insert(answers), rows)
    store.close()


def watch(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["watch", *arguments])


def test_it_collects_is_accepted_stays_quiet_and_alarms_at_a_change(project: Path) -> None:
    log(0, 24)
    early = watch()
    assert early.exit_code == 0
    assert "has 24 hours with enough answers; a baseline needs 168" in early.output
    assert "168" in watch("--accept").output
    log(24, 24 * (DAYS - 1), seed=2)
    assert "facesent watch --accept" in watch().output
    accepted = watch("--accept")
    assert accepted.exit_code == 0, accepted.output
    log(24 * DAYS, 48, seed=3)
    quiet = watch()
    assert quiet.exit_code == 0
    assert "requests as usual" in quiet.output
    log(24 * DAYS + 48, 48, brightness=80.0, seed=4)
    alarm = watch()
    assert alarm.exit_code == 3, alarm.output
    assert "brightness down" in alarm.output
    assert json.loads((project / "answers" / WATCHED).read_text())["alarm"] == 1
    page = (project / "outputs" / "watch" / "watch.html").read_text()
    assert "Something has changed" in page
    assert page.count("<polyline") >= 5
    assert "The most unusual answers" in page
    assert watch("--accept").exit_code == 0
    assert "requests as usual" in watch().output


def test_a_version_whose_answers_are_gone_from_the_log_keeps_its_baseline(project: Path) -> None:
    log(0, 24 * DAYS)
    assert watch("--accept").exit_code == 0
    store = Store(DEFAULT_ADDRESS)
    with store.writing() as connection:
        connection.execute(delete(answers))
    store.close()
    empty = watch()
    assert empty.exit_code == 0, empty.output
    assert "has no finished hours with answers" in empty.output
    assert "--accept" not in empty.output
    log(24 * DAYS, 48, seed=3)
    assert "requests as usual" in watch().output


def test_the_running_hour_does_not_count_yet(project: Path) -> None:
    running = (datetime.now(UTC) - START) // timedelta(hours=1)
    log(0, 3)
    log(running, 1)
    assert "has 3 hours with enough answers" in watch().output


@pytest.mark.long
@pytest.mark.parametrize(("light", "said"), [(60.0, "can be told from"), (120.0, "cannot be told from")])
def test_whether_photos_are_unlike_the_test_set_is_looked_at_once_and_is_no_alarm(
    project: Path, light: float, said: str
) -> None:
    chance = np.random.default_rng(9)
    tested = {
        "person": np.arange(200) // 2,
        "label": chance.choice(LABELS, 200, p=[0.5, 0.25, 0.25]),
        "confidence": chance.uniform(0.5, 0.99, 200),
        "brightness": light + chance.normal(0, 16, 200),
        "sharpness": chance.lognormal(5, 0.3, 200),
    }
    stored = pd.DataFrame(tested).to_csv(index=False)
    run_id = versions.run_of(1)
    runs.log_bytes(run_id, "evaluation/as_watched.csv", stored.encode())
    log(0, 3)
    page = project / "outputs" / "watch" / "watch.html"
    assert watch().exit_code == 0
    assert "Not known yet" in page.read_text()
    log(3, 120)
    assert watch().exit_code == 0
    first = runs.read_text(run_id, "watch/against_test-1.json")
    assert json.loads(first)["tested"] == 100
    assert said in " ".join(page.read_text().split())
    log(123, 60, brightness=200.0)
    assert watch().exit_code == 0
    assert runs.read_text(run_id, "watch/against_test-1.json") == first


def test_more_of_one_class_is_noticed(project: Path) -> None:
    log(0, 24 * DAYS)
    assert watch("--accept").exit_code == 0
    log(24 * DAYS, 48, happy=0.9, seed=5)
    alarm = watch()
    assert alarm.exit_code == 3, alarm.output
    assert "share of Happy up" in alarm.output


@pytest.mark.long
def test_an_alarm_says_how_many_labels_the_gate_needs_and_half_of_them_are_for_its_test(project: Path) -> None:
    log(0, 24 * DAYS)
    assert watch("--accept").exit_code == 0
    usual = sorted(ids())
    log(24 * DAYS, 24, brightness=60.0, seed=6)
    before = ids()
    log(24 * (DAYS + 1), 24, brightness=60.0, seed=7)
    since = sorted(ids() - before)
    assert "labelled photos of 0 people or clients since then; at 170 a run begins" in watch().output
    label(usual[:3] + since[:169])
    assert "169 people" in watch().output
    label(since[170:180], "train")
    assert "169 people" in watch().output
    label(since[169:170])
    page = project / "outputs" / "watch" / "watch.html"
    alarm = watching(load_params(project / "params.yaml"), page)
    assert "labelled photos of 170 people" in page.read_text()
    assert alarm.labels.enough
    hand_over(alarm.labels, 1)
    rows = parse(FOLDER / "metadata.csv")[1]
    tested = [row["file_name"] for row in rows if row["split"] == "test"]
    assert len(tested) == 85
    assert set(tested) <= set(alarm.labels.groups)
    # What fails, or reached nobody, is still to be done.
    with once(alarm, "retrained") as done:
        done.now = False
    for error, due in ((OSError(), True), (None, True), (None, False)):
        with suppress(OSError), once(alarm, "retrained") as done:
            assert done.already is not due
            if error:
                raise error
    contents = runs.read_text(versions.run_of(1), artifacts.SHIFTED).split()
    assert {sha256(FOLDER / name) for name in alarm.labels.groups} == set(contents)


def test_photos_that_are_handed_over_again_with_more_people_are_half_for_the_test(project: Path) -> None:
    log(0, 3)
    answered = sorted(ids())
    # The names of later ones are before those of the first.
    label(answered[3:13])
    first = handed_over()
    assert len(first) == 5
    assert handed_over() == first
    label(answered[:3])
    more = handed_over()
    assert len(more) == 7
    assert more > first


def test_a_labelled_photo_that_was_deleted_does_not_count(project: Path) -> None:
    log(0, 3)
    label(sorted(ids())[:6])
    gone, *left = sorted(FOLDER.glob("Sad/*.png"))
    gone.unlink()
    assert len(handed_over()) == 3
    contents = runs.read_text(versions.run_of(1), artifacts.SHIFTED).split()
    assert sorted(contents) == sorted(map(sha256, left))


def handed_over() -> set[str]:
    """The photos that are for the test after ``hand_over``."""
    store = Store(DEFAULT_ADDRESS)
    hand_over(labelled(store, 1, START, 0.3, 0.95), 1)
    store.close()
    return {row["file_name"] for row in parse(FOLDER / METADATA)[1] if row["split"] == "test"}


def ids() -> set[str]:
    store = Store(DEFAULT_ADDRESS)
    with store.reading() as connection:
        found = set(connection.scalars(select(answers.c.id)))
    store.close()
    return found


def label(chosen: Sequence[str], split: str = "") -> None:
    """As if labels of these photos had been accepted: of the audit, or with ``train`` of clients."""
    known = parse(FOLDER / "metadata.csv")[1] if FOLDER.exists() else []
    (FOLDER / "Sad").mkdir(parents=True, exist_ok=True)
    for id_ in chosen:
        (FOLDER / "Sad" / f"{id_}.png").write_bytes(id_.encode())
    rows = [(row["file_name"], row["group"], row["split"]) for row in known]
    rows += [(f"Sad/{id_}.png", f"client-{id_}", split) for id_ in chosen]
    (FOLDER / "metadata.csv").write_text("\n".join(["file_name,group,split", *map(",".join, rows)]))
    store = Store(DEFAULT_ADDRESS)
    with store.writing() as connection:
        for id_ in chosen:
            correct(connection, Correction(id_, "Sad"), "client" if split else "cli")
        connection.execute(update(corrections).values(status=ACCEPTED))
    store.close()


@pytest.mark.parametrize(("gain", "people"), [(0.1, 310), (0.15, 170), (0.3, 66), (0.9, 14)])
def test_a_smaller_gain_needs_more_people(gain: float, people: int) -> None:
    assert people_needed(gain, 0.95) == people


def test_without_answers_it_says_how_to_get_some() -> None:
    nothing = watch()
    assert nothing.exit_code == 1
    assert "facesent serve" in nothing.output
