import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from trained import make_project, write_model

from facesent.cli import main

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("mlflow_store")]


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    return result.exit_code, result.output


def test_promote_shows_the_verdict_and_models_lists_it(project: Path) -> None:
    make_project(project)
    code, output = run("promote")
    assert code == 0
    assert "VALIDATED" in output
    assert "Champion: version 1." in output
    code, output = run("models", "--json")
    [version] = json.loads(output)
    assert (version["number"], sorted(version["aliases"])) == (1, ["challenger", "champion"])
    assert "1.0000" in run("models")[1]


def test_a_rejected_model_ends_with_status_1(project: Path) -> None:
    made = make_project(project)
    run("promote")
    from facesent.stages.evaluate import evaluate

    write_model(made, ("Dark", "Light"), 0.7)
    evaluate(made)
    code, output = run("promote")
    assert code == 1
    assert "REJECTED" in output
    assert "Champion: version 1, as before." in output


def test_promote_before_training_says_what_to_run() -> None:
    code, output = run("promote")
    assert code == 1
    assert "dvc repro" in output
    assert "Traceback" not in output


def test_an_empty_registry_says_what_to_run() -> None:
    assert "facesent promote" in run("models")[1]
    code, output = run("rollback")
    assert code == 1
    assert "nothing to go back to" in output


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
