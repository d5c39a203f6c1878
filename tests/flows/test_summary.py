import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from facesent.core.paths import Project
from facesent.evaluation.intervals import Estimate
from facesent.promotion.aliases import Promotion
from facesent.promotion.comparison import Comparison, Difference
from facesent.promotion.register import Candidate
from facesent.promotion.verdict import Check
from facesent.registry.addresses import LOCAL_STORE
from facesent.registry.pages import opened_by
from flows.summary import Step, Summary, summarise
from tests.helpers import promoters
from tests.helpers.tables import cells

CANDIDATE = Candidate(version=2, run_id="run-of-2", model_sha256="ab" * 32, created=True)
PROMOTED = Promotion(champion=2, previous=1, changed=True)


@pytest.fixture
def measured(tmp_path: Path, empty_mlflow_database: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project with what the stages counted and measured."""
    shutil.copy(empty_mlflow_database, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    project = Project(tmp_path)
    (project.data / "Happy").mkdir(parents=True)
    shutil.copy(Path(__file__).parents[2] / "params.yaml", project.params)
    project.evaluate.mkdir(parents=True)
    splits = {name: {"images": images} for name, images in {"train": 1600, "val": 200, "test": 200}.items()}
    project.metrics.write_text(json.dumps(splits))
    (project.outputs / "validate").mkdir()
    counts = {"classes": {"Happy": {"files": 1500, "usable": 1497}, "Sad": {"files": 503, "usable": 503}}}
    (project.outputs / "validate" / "summary.json").write_text(json.dumps(counts))
    return project


def summary_of(project: Project, promotion: Promotion = PROMOTED, **verdict: object) -> Summary:
    judged = {"accuracy": Estimate(200, 0.8, 0.7, 0.9), **verdict}
    said = replace(promoters.verdict_on(2, champion=1), **judged)  # type: ignore[arg-type]
    return summarise(project, CANDIDATE, promoters.passed_canary(2), said, promotion)


def test_one_screen_tells_the_whole_run(measured: Project) -> None:
    # Whatever it was judged by: a champion that has to be replaced is one that may be better.
    judged = Check.of("gain in macro recall over version 1, lower end", "points", 0.001, "above", -0.02)
    gain = Comparison(Difference(0.021, 0.001, 0.04), {}, images=200, seen=0)
    summary = summary_of(measured, checks=(judged,), comparison=gain)
    assert summary.rows == {
        "images": "2,000 (3 more are quarantined)",
        "splits": "train 1,600, val 200, test 200",
        "test accuracy": "80.0% (95% interval 70.0% to 90.0%)",
        "against the champion": "macro recall +2.1 points (95% interval +0.1 to +4.0 points)",
        "canary": "passed (a photo in 20 ms, 95th percentile)",
        "verdict": "VALIDATED",
        "model version": "2 (served: version 2)",
    }
    shown = summary.to_markdown([Step("train", "ran", 130.0), Step("gate", "ran", 5.0)])
    assert shown.startswith("# VALIDATED: version 2\n\nVersion 2 is better.\n")
    assert "\ntrain → gate\n" in shown
    assert ("train", "ran", "2 min 10 s") in cells(shown)
    assert "- MLflow run: `run-of-2`" in shown
    assert "- [model version](http://127.0.0.1:5000/#/models/facesent/versions/2)" in shown
    assert f"MLflow's pages open after `{opened_by()}`." in shown
    photos = measured.data / "Happy"
    assert shown.endswith(
        f"\n```\ndvc dag\n{opened_by()}\nfacesent predict {photos}\nfacesent serve\nprefect server start\n```"
    )


def test_what_is_next_works_where_the_project_lies_and_with_what_is_served(
    measured: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", LOCAL_STORE)
    moved = measured.root.rename(measured.root.with_name("größer 100%"))
    commands = summary_of(Project(moved), Promotion(None, None, changed=False)).next
    assert commands[1].startswith("export MLFLOW_TRACKING_URI=")
    assert not [command for command in commands if command.startswith("facesent")]
    undecided = summary_of(Project(moved), Promotion(1, None, changed=False), outcome="UNKNOWN", incomparable=True)
    assert undecided.next[0] == "facesent promote --replace-incomparable"


def test_the_report_with_the_verdict_is_shown_before_that_without(measured: Project) -> None:
    assert "report" not in summary_of(measured).places
    for folder in ("evaluate", "gate"):
        path = measured.outputs / folder / "report.html"
        path.parent.mkdir(exist_ok=True)
        path.touch()
        summary = summary_of(measured)
        assert summary.places["report"] == path.as_posix()
        assert f"[`{path}`]({path.as_uri()})" in summary.to_markdown()


@pytest.mark.parametrize(
    ("verdict", "promotion", "event"),
    [
        ({}, PROMOTED, "promoted"),
        ({}, Promotion(2, 1, changed=False, approved_by="ann"), "promoted"),
        ({}, Promotion(2, 1, changed=False, note="Version 2 is champion already."), None),
        ({}, Promotion(1, None, changed=False, note="Version 2 was rolled back."), None),
        ({"outcome": "REJECTED"}, Promotion(1, None, changed=False), "rejected"),
        ({"outcome": "UNKNOWN"}, Promotion(1, None, changed=False), "rejected"),
    ],
)
def test_people_are_told_of_what_came_of_it(
    measured: Project, verdict: dict[str, object], promotion: Promotion, event: str | None
) -> None:
    assert summary_of(measured, promotion, **verdict).event == event


def test_what_is_held_back_says_why(measured: Project) -> None:
    held = summary_of(measured, Promotion(1, None, changed=False, note="Version 2 was rolled back."))
    assert held.sentence.endswith("Not promoted: Version 2 was rolled back.")


def test_the_terminal_shows_addresses_whole(measured: Project, capsys: pytest.CaptureFixture[str]) -> None:
    address = "http://127.0.0.1:5000/#/experiments/1/runs/" + "ab" * 60
    replace(summary_of(measured), places={"MLflow run": address}).print()
    assert f"  MLflow run: {address}\n" in capsys.readouterr().out
