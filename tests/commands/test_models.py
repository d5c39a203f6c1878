import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from facesent.cli import main
from facesent.core.paths import Project
from facesent.promotion.canary import trial
from tests.helpers import promoters
from tests.helpers.trained_project import make_project, write_model

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("mlflow_store")]


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    return result.exit_code, result.output


@pytest.fixture
def quick_canary(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "canary", lambda _, candidate: promoters.passed_canary(candidate.version))


def worse(made: Project) -> None:
    from facesent.run import run as run_stage

    write_model(made, ("Dark", "Light"), 0.7)
    run_stage("evaluate", made)


@pytest.mark.long
def test_promote_tries_the_real_server_and_shows_the_verdict(project: Path) -> None:
    make_project(project)
    code, output = run("promote")
    assert code == 0, output
    assert "Canary passed: " in output
    assert "VALIDATED" in output
    assert "accuracy" in output
    assert "Champion: version 1." in output


@pytest.mark.usefixtures("quick_canary")
def test_models_lists_how_good_a_version_is_and_why_it_is_served(project: Path) -> None:
    made = make_project(project)
    run("promote")
    worse(made)
    run("promote")
    code, output = run("models")
    assert code == 0
    assert "(82.0% to 100.0%)" in output
    assert "champion" in output
    assert "promoted by gate" in " ".join(output.split())
    assert "REJECTED" in output
    assert max(map(len, output.splitlines())) <= 100
    second, first = json.loads(run("models", "--json")[1])
    assert (first["number"], first["aliases"], first["verdict"]) == (1, ["champion"], "VALIDATED")
    assert first["promotions"][0]["by"] == "gate"
    assert (second["number"], second["promotions"]) == (2, [])
    assert second["why"] == second["tags"]["verdict_reason"]


@pytest.mark.usefixtures("quick_canary")
@pytest.mark.long
def test_a_rejected_model_ends_with_status_1(project: Path) -> None:
    made = make_project(project)
    run("promote")
    worse(made)
    code, output = run("promote")
    assert code == 1
    assert "REJECTED" in output
    assert "Champion: version 1 (unchanged)." in output


@pytest.mark.usefixtures("quick_canary")
def test_a_model_that_cannot_be_served_is_not_promoted(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_project(project)
    broken = replace(promoters.passed_canary(1), problems=("The server ended with status 1.",))
    monkeypatch.setattr(trial, "canary", lambda *_: broken)
    code, output = run("promote")
    assert code == 1
    assert "The server ended with status 1." in output
    assert "There is no champion." in output


@pytest.mark.usefixtures("quick_canary")
def test_a_person_has_to_agree_where_params_say_so(project: Path) -> None:
    made = make_project(project)
    made.params.write_text(made.params.read_text().replace("approval: false", "approval: true"))
    code, output = run("promote")
    assert code == 3
    assert "waits for approval: facesent approve 1" in output
    assert json.loads(run("models", "--json")[1])[0]["why"].startswith("Version 1 waits for approval")
    assert "rejected by ann: blurred photos" in run("reject", "1", "--by", "ann", "--reason", "blurred photos")[1]
    assert run("promote")[0] == 1
    code, output = run("approve", "1", "--by", "bob")
    assert (code, output) == (0, "Champion: version 1.\n")
    assert run("promote")[0] == 0
    assert json.loads(run("models", "--json")[1])[0]["approval"]["by"] == "bob"


def test_rollback_is_said_once_and_listed_with_its_reason() -> None:
    promoters.make_versions(2)
    for version in (1, 2):
        promoters.promote(version)
    assert run("rollback", "--reason", "confuses cats") == (0, "Champion: version 1; previous: version 2.\n")
    code, output = run("rollback")
    assert code == 0
    assert "facesent rollback 2" in output
    second, first = json.loads(run("models", "--json")[1])
    assert second["why"].startswith("rolled back by ")
    assert first["why"].endswith(": confuses cats")
    assert run("rollback", "previous") == (0, "Champion: version 2; previous: version 1.\n")
    assert run("rollback", "3")[0] == 1


def test_promote_before_training_says_what_to_run() -> None:
    code, output = run("promote")
    assert code == 1
    assert "dvc repro" in output
    assert "Traceback" not in output


def test_an_empty_registry_says_what_to_run() -> None:
    assert "facesent promote" in run("models")[1]
    code, output = run("rollback")
    assert code == 1
    assert "no version to go back to" in output


@pytest.mark.usefixtures("quick_canary")
def test_predict_answers_photos_and_names_what_is_none(project: Path) -> None:
    made = make_project(project)
    run("promote")
    (project / "notes.txt").write_text("no photo")
    code, output = run("predict", "data/Light", "--json")
    answers = [json.loads(line) for line in output.splitlines()]
    assert code == 0
    assert len(answers) == 30
    assert {answer["label"] for answer in answers} == {"Light"}
    assert sum(answers[0]["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    code, output = run("predict", "data/Dark/00.png", "notes.txt")
    assert code == 1
    assert "data/Dark/00.png: Dark" in output
    assert "notes.txt: Expected a JPEG" in output
    assert made.model.is_file()


@pytest.mark.usefixtures("quick_canary")
def test_predict_is_uncertain_below_the_least_confidence(project: Path) -> None:
    made = make_project(project)
    made.params.write_text(made.params.read_text().replace("min_confidence: 0.0", "min_confidence: 0.9"))
    run("promote")
    assert "29.png: uncertain" in run("predict", "data/Dark/29.png")[1]
    assert "29.png: Dark" in run("predict", "data/Dark/29.png", "--min-confidence", "0.5")[1]
    code, output = run("predict", "data/Dark/29.png", "--min-confidence", "2")
    assert code == 2
    assert "0<=x<=1" in output


def test_predict_without_a_champion_says_what_to_run(project: Path) -> None:
    (project / "a.png").write_bytes(b"")
    code, output = run("predict", "a.png")
    assert code == 1
    assert "facesent promote" in output
