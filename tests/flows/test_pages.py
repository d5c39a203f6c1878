import json
import shutil
from pathlib import Path

import pytest

from facesent.core.paths import Project
from facesent.promotion.aliases import Promotion
from facesent.promotion.register import Candidate
from flows import pages
from tests.helpers.tables import cells


@pytest.fixture
def trained(tmp_path: Path) -> Project:
    """A project after stage ``train``."""
    project = Project(tmp_path)
    shutil.copy(Path(__file__).parents[2] / "params.yaml", project.params)
    project.train.mkdir(parents=True)
    kept = {"loss": 0.5, "val_loss": 0.6, "accuracy": 0.9, "val_accuracy": 0.8}
    metrics = {"parameters": 27932647, "epochs": 2, "best_epoch": 2, "temperature": 1.97, **kept}
    (project.train / "metrics.json").write_text(json.dumps(metrics))
    return project


def test_a_training_shows_what_was_trained_and_how_far_it_came(trained: Project) -> None:
    shown = pages.stage("train", trained, "**Ran** in 5 s.")
    assert shown.startswith(
        "**Ran** in 5 s.\n\n**reference_cnn** at 64 × 64 pixels, from scratch: 27,932,647 parameters"
    )
    assert "epoch 2 was kept" in shown
    assert ("accuracy", "0.9", "0.8") in cells(shown)
    assert "temperature 1.97" in shown


def test_a_stage_without_a_report_has_no_page(tmp_path: Path) -> None:
    assert pages.stage("train", Project(tmp_path), "**Ran** in 5 s.") == ""


def test_another_stage_shows_its_report(tmp_path: Path) -> None:
    folder = tmp_path / "outputs" / "look"
    folder.mkdir(parents=True)
    (folder / "report.md").write_text("many cows\n")
    assert pages.stage("look", Project(tmp_path), "**Cached**.") == "**Cached**.\n\nmany cows"


def test_without_a_server_the_registered_version_names_the_command(
    mlflow_store: Path,
) -> None:
    shown = pages.registered(Candidate(2, "run-of-2", "ab" * 32, created=False))
    assert "[Version 2](http://127.0.0.1:5000/#/models/facesent/versions/2) of facesent, already registered" in shown
    assert ("MLflow run", "run-of-2") in cells(shown)
    assert "mlflow ui" in shown


def test_a_promotion_says_what_is_served_and_how_to_go_back() -> None:
    shown = pages.promoted(2, Promotion(2, 1, changed=True, approved_by="ann"))
    assert "Version 2 became champion" in shown
    assert ("approved by", "ann") in cells(shown)
    assert "`facesent rollback`" in shown


def test_what_was_not_promoted_says_why() -> None:
    shown = pages.promoted(2, Promotion(None, None, changed=False, note="Version 2 did not pass the gate."))
    assert "**Not promoted.** Version 2 did not pass the gate." in shown
    assert ("served (champion)", "none") in cells(shown)
    assert "rollback" not in shown
    assert "restart" not in shown
