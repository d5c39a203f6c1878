"""From the log to an alarm, a page and what the flow makes of it: real tables, a real registry, drawn traffic."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from click.testing import CliRunner, Result
from mlflow.tracking import MlflowClient
from sqlalchemy import insert

from facesent.cli import main
from facesent.registry import runs
from facesent.registry.versions import CHAMPION, NAME, set_alias
from facesent.serving.gateway.answers.rows import know_version
from facesent.serving.gateway.answers.store import DEFAULT_ADDRESS, WATCHED, Store
from facesent.serving.gateway.answers.tables import answers

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
                        "source": "server", "version": 1, "label": label, "audit": False,
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


def test_more_of_one_class_is_noticed(project: Path) -> None:
    log(0, 24 * DAYS)
    assert watch("--accept").exit_code == 0
    log(24 * DAYS, 48, happy=0.9, seed=5)
    alarm = watch()
    assert alarm.exit_code == 3, alarm.output
    assert "share of Happy up" in alarm.output


def test_without_answers_it_says_how_to_get_some() -> None:
    nothing = watch()
    assert nothing.exit_code == 1
    assert "facesent serve" in nothing.output
