from dataclasses import replace
from pathlib import Path

import mlflow
import pytest

from facesent.core.errors import FacesentError
from facesent.promotion import aliases, judge, register, report
from tests.helpers.promoters import passed_canary
from tests.helpers.trained_project import make_project, write_model

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("mlflow_store")]


def test_the_page_says_which_model_is_better_and_goes_to_the_run(project: Path) -> None:
    from facesent.run import run as run_stage

    made = make_project(project, threshold=0.8)
    for threshold in (0.8, 0.0):
        write_model(made, ("Dark", "Light"), threshold)
        run_stage("evaluate", made)
        candidate = register.register(made)
        canary = passed_canary(candidate.version)
        verdict = judge.judge(made, candidate, canary)
        page = report.report(made, candidate, verdict, aliases.promote(verdict), canary)
    assert page == made.verdict.with_name("report.html")
    text = page.read_text()
    assert "Version 2 is better than version 1" in text
    assert "Version 2, this one, is the champion" in text
    assert f"{canary.latency_p95_ms:.0f} ms" in text
    assert candidate.run_id in text
    logged = mlflow.artifacts.list_artifacts(run_id=candidate.run_id, artifact_path="gate")
    assert "gate/report.html" in {file.path for file in logged}


def test_a_version_that_cannot_be_served_says_why(project: Path) -> None:
    made = make_project(project)
    candidate = register.register(made)
    canary = replace(passed_canary(candidate.version), problems=("It did not start.",))
    verdict = judge.judge(made, candidate, canary)
    text = report.report(made, candidate, verdict, aliases.promote(verdict), canary).read_text()
    assert "REJECTED" in text
    assert "It did not start." in text
    assert "No model is served yet." in text
    assert "95th percentile" not in text


def test_without_evaluate_there_is_no_report(project: Path) -> None:
    made = make_project(project)
    candidate = register.register(made)
    canary = passed_canary(candidate.version)
    verdict = judge.judge(made, candidate, canary)
    (made.evaluate / "report.json").unlink()
    with pytest.raises(FacesentError, match="Run: dvc repro"):
        report.report(made, candidate, verdict, aliases.promote(verdict), canary)
