import math
import tempfile
from pathlib import Path
from shutil import copy

import numpy as np
import pandas as pd
import pytest

from facesent.core.errors import FacesentError, TrackingError
from facesent.core.files import sha256
from facesent.core.ports import free_port
from facesent.prediction.classifier import Classifier
from facesent.promotion import register
from facesent.promotion.canary.trial import Question, canary, choose, recorded, tried
from facesent.registry import versions
from facesent.registry.versions import CHAMPION, RegistryError
from facesent.serving.questions import questions_of
from facesent.serving.server import standby
from tests.helpers.server_processes import server_processes
from tests.helpers.tracking_server import tracking_server
from tests.helpers.trained_project import make_project


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.usefixtures("mlflow_store")
def test_a_version_that_can_be_served_passes_once(project: Path) -> None:
    made = make_project(project)
    candidate = register.register(made)
    report = canary(made, candidate)
    assert report.problems == ()
    assert (report.answered, report.refused) == (8, 8)
    assert report.largest_difference <= 1e-5
    assert report.latency_p95_ms > 0
    # At least the network's file, and TensorFlow in memory.
    assert report.size_mb > made.model.stat().st_size / 1e6
    assert report.memory_mb > 200
    assert server_processes() == []
    assert versions.versions()[0].tags["canary"] == "passed"

    versions.set_alias(CHAMPION, candidate.version)
    again = canary(made, candidate)
    assert again.reused
    assert again.latency_p95_ms == report.latency_p95_ms
    assert "earlier trial" in again.to_markdown()


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.usefixtures("mlflow_store")
def test_answers_of_other_hardware_are_no_problem_of_the_version(project: Path) -> None:
    made = make_project(project)
    candidate = register.register(made)
    answers = pd.read_csv(made.answers, dtype=str)
    probabilities = answers.filter(like="probability_")
    answers[list(probabilities)] = probabilities.astype(float).add([1e-4, -1e-4]).astype(str)
    answers.to_csv(made.answers, index=False)
    made.answers_sha256.write_text(sha256(made.answers))
    report = canary(made, candidate)
    assert report.passed
    assert report.largest_difference <= 1e-5


@pytest.mark.slow
@pytest.mark.usefixtures("mlflow_store")
def test_a_server_that_waits_serves_once_and_what_it_answers_is_asked_wherever_it_is_served(project: Path) -> None:
    made = make_project(project)
    candidate = register.register(made)
    with standby() as servers:
        servers.start()
        [waiting] = server_processes()
        assert canary(made, candidate, servers).passed
        assert not waiting.is_running()
        assert server_processes() == []
    questions = questions_of(candidate.version)
    classifier = Classifier.load(made.model, made.labels)
    for photo, answer in zip(questions.photos, questions.probabilities, strict=True):
        [expected] = classifier.predict([classifier.read(photo)])
        assert answer == pytest.approx(expected.probabilities, abs=1e-6)


@pytest.mark.slow
@pytest.mark.long
def test_a_registry_elsewhere_leaves_no_copies_here_and_its_absence_is_no_verdict(
    project: Path, tmp_path: Path, empty_mlflow_database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy(empty_mlflow_database, tmp_path / "mlflow.db")
    port, temporary = free_port(), tmp_path / "temporary"
    temporary.mkdir()
    with tracking_server(tmp_path, port):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("TMPDIR", str(temporary))
        monkeypatch.setattr(tempfile, "tempdir", None)
        made = make_project(project)
        candidate = register.register(made)
        assert canary(made, candidate).passed
        versions.load_classifier(candidate.version)
    assert not [path for path in temporary.rglob("*") if path.is_file() and path.stat().st_size > 0]

    question = Question([b""], np.ones((1, 2), np.float32), ["Dark", "Light"])
    with pytest.raises(TrackingError, match=r"API request to \S+ failed\. Start the server that MLFLOW_TRACKING_URI"):
        tried(candidate.version, question)


@pytest.mark.usefixtures("mlflow_store")
def test_a_version_that_is_not_registered_is_an_error() -> None:
    with pytest.raises(RegistryError, match="Received: 7, which does not exist"):
        recorded(7)


def split(labels: str) -> pd.DataFrame:
    rows = [
        {"file_name": f"{label}/{i}.jpg", "label": label, "group": "", "sha256": f"{(i * 7) % 10}"}
        for i, label in enumerate(labels)
    ]
    return pd.DataFrame(rows, columns=["file_name", "label", "group", "sha256"])


def test_a_few_photos_of_every_class_are_chosen_whatever_the_order_of_the_split() -> None:
    frame = split("AAAAAAAABB")
    chosen = choose(frame)
    assert list(chosen["label"]) == list("AAAABB")
    assert list(choose(frame.sample(frac=1, random_state=1))["file_name"]) == list(chosen["file_name"])


def test_an_empty_test_split_is_an_error() -> None:
    with pytest.raises(FacesentError, match="test split"):
        choose(split(""))


def test_a_report_survives_its_json() -> None:
    from facesent.promotion.canary.report import CanaryReport

    report = CanaryReport(3, ("It ended.",), 2, 0, 0.5, math.nan, 1.5, math.nan)
    again = CanaryReport.from_json(report.to_json())
    assert again.to_json() == report.to_json()
    assert math.isnan(again.memory_mb)
    assert "not measured" in again.to_markdown()
    assert "- It ended." in again.to_markdown()
