"""The whole loop: shifted requests, an alarm, a person's labels, a triggered run, and the server follows by itself."""

import base64
import io
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import requests
from PIL import Image, ImageEnhance
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings
from sqlalchemy import select, update

from facesent.serving.gateway.answers.correcting import Correction, correct
from facesent.serving.gateway.answers.store import Store
from facesent.serving.gateway.answers.tables import answers
from facesent.sources.drawn_faces.dataset import draw_dataset
from facesent.sources.drawn_faces.portrait import draw_portrait
from tests.helpers.prefect_machine import Machine, finished_run
from tests.helpers.serving import serving, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.long]

USUAL_HOURS, SHIFTED_HOURS, AN_HOUR = 60, 16, 12
# As large and as many as it takes to learn from; in test there are 12 people and half of those with a label. Labelled
# are photos of the last twelve hours: the watch may date the change an hour or two late.
SIDE, PEOPLE, LABELLED = 64, 240, 144
# Those that are told apart most easily, in the light as in the dark: what was known must not be lost.
CLASSES, LEFT_OUT = ("Ahegao", "Sad", "Surprise"), ["Angry", "Happy", "Neutral"]
DARK = 0.3
START = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=100)
CHANGES: Mapping[str, Mapping[str, Any]] = {
    "validate": {"exclude": LEFT_OUT},
    # One that learns, unlike that of the other tests around a training.
    "model": {"name": "reference_cnn", "last_layer": "", "image_size": SIDE},
    "train": {"epochs": 30},
    # Of 12 people's photos nothing closer can be said.
    "gate": {"retrain_margin": 0.3},
    "log": {"photos": True, "audit_share": 1.0},
    "watch": {"baseline_hours": 48, "block_hours": 6, "quiet_hours": 48, "resamples": 20, "gain": 0.3},
    "server": {"poll_seconds": 1, "shadow_seconds": 1},
}


def run(machine: Machine, *command: str, status: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=machine.project, env=machine.environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip
    assert done.returncode == status, done.stdout
    return done.stdout


def ask(address: str, photos: Sequence[Image.Image]) -> list[str]:
    """Ask about photos, ten a request; the ids of the answers."""
    ids: list[str] = []
    for start in range(0, len(photos), 10):
        rows = []
        for photo in photos[start : start + 10]:
            buffer = io.BytesIO()
            photo.save(buffer, "PNG")
            rows.append(base64.b64encode(buffer.getvalue()).decode())
        answer = requests.post(f"{address}/invocations", json={"inputs": {"image": rows}}, timeout=60)
        answer.raise_for_status()
        ids += answer.headers["X-Facesent-Id"].replace(",", " ").split()
    return ids


def spread(machine: Machine, first_hour: int, expected: int) -> None:
    """Let the answers of this moment be those of the hours from ``first_hour`` on, each of another client."""
    store = Store(f"sqlite:///{machine.project}/answers.db", machine.project / "answers")
    new = select(answers.c.id).where(answers.c.time > START + timedelta(hours=99)).order_by(answers.c.time)
    found: list[str] = []

    def all_there() -> bool:
        with store.reading() as connection:
            found[:] = connection.execute(new).scalars()
        return len(found) >= expected

    wait_until(all_there, lambda: f"{len(found)} answers")
    with store.writing() as connection:
        for place, id_ in enumerate(found):
            hour = START + timedelta(hours=first_hour + place // AN_HOUR, minutes=place % AN_HOUR)
            client = f"client-{place}"
            connection.execute(update(answers).where(answers.c.id == id_).values(time=hour, client=client))
    store.close()


def audit(machine: Machine, labels: Mapping[str, str]) -> None:
    """As `facesent feedback ID LABEL` for each answer."""
    store = Store(f"sqlite:///{machine.project}/answers.db", machine.project / "answers")
    with store.writing() as connection:
        for id_, label in labels.items():
            correct(connection, Correction(id_, label, None), "cli")
    store.close()


def test_a_change_leads_to_the_next_version_that_the_running_server_answers_with(
    machine: Machine,
    set_params: Callable[[Path, Mapping[str, Mapping[str, Any]]], None],
) -> None:
    set_params(machine.project, CHANGES)
    shutil.rmtree(machine.project / "data")
    draw_dataset(machine.project / "data", persons=PEOPLE, image_size=SIDE, workers=1)
    run(machine, "dvc", "add", "--quiet", "data")
    machine.prefect("work-pool", "create", "facesent", "--type", "process")
    machine.prefect("--no-prompt", "deploy", "--all")
    run(machine, "flows.pipeline")
    # One in data/ is truncated, as in real collections.
    names = pd.read_csv(machine.project / "outputs" / "split" / "train.csv")["file_name"]
    chosen = np.random.default_rng(7).choice(names, USUAL_HOURS * AN_HOUR)
    usual = [Image.open(machine.project / "data" / name).convert("RGB") for name in chosen]
    # Of people whom no version has seen.
    truth = [CLASSES[number % len(CLASSES)] for number in range(SHIFTED_HOURS * AN_HOUR)]
    others = [Image.fromarray(draw_portrait(99, number, 1, label, SIDE)) for number, label in enumerate(truth)]
    with serving(machine.project, machine.environment) as address:
        ask(address, usual)
        spread(machine, 0, USUAL_HOURS * AN_HOUR)
        run(machine, "facesent.cli", "watch", "--accept")
        ids = ask(address, [ImageEnhance.Brightness(photo).enhance(DARK) for photo in others])
        spread(machine, USUAL_HOURS, SHIFTED_HOURS * AN_HOUR)
        assert "brightness down" in run(machine, "facesent.cli", "watch", status=3)
        # An alarm alone asks for labels.
        run(machine, "flows.watch")
        # The one step that is a person's.
        audit(machine, dict(list(zip(ids, truth, strict=True))[-LABELLED:]))
        run(machine, "facesent.cli", "feedback", "accept", "--all")
        assert f"labelled photos of {LABELLED} people" in run(machine, "facesent.cli", "watch", status=3)
        with (
            temporary_settings({PREFECT_API_URL: machine.api}),
            get_client(sync_client=True) as client,
            machine.running("worker", "start", "--pool", "facesent", "--limit", "1"),
        ):
            run(machine, "flows.watch")
            triggered = finished_run(client, machine, "on-alarm")
        assert triggered.state
        assert triggered.state.is_completed(), machine.log()
        assert (triggered.state.message or "").startswith("VALIDATED: version 2"), triggered.state.message
        wait_until(
            lambda: requests.get(f"{address}/health", timeout=60).json()["version"] == 2,
            lambda: requests.get(f"{address}/health", timeout=60).text,
        )
        ask(address, usual[:10])
    tested = pd.read_csv(machine.project / "outputs" / "split" / "test.csv")["file_name"]
    assert tested.str.contains("|".join(ids)).sum() == LABELLED // 2
    assert run(machine, "facesent.cli", "data", "status")
