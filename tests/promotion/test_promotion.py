import base64
import io
import json
import shutil
from dataclasses import replace
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.pyfunc.scoring_server import init
from PIL import Image
from starlette.testclient import TestClient

from facesent.core.errors import FacesentError, TrackingError
from facesent.core.paths import Project
from facesent.promotion import aliases, judge, register
from facesent.promotion.verdict import Verdict
from facesent.registry import forgetting, versions
from facesent.registry.versions import CHALLENGER, CHAMPION, PREVIOUS, RegistryError
from facesent.serving.gateway.app import Gateway
from tests.helpers.answering import SETTINGS
from tests.helpers.promoters import passed_canary
from tests.helpers.trained_project import make_project, write_model

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("mlflow_store")]


def evaluated(project: Project, labels: tuple[str, str], threshold: float) -> Project:
    from facesent.run import run as run_stage

    write_model(project, labels, threshold)
    run_stage("evaluate", project)
    return project


def decide(project: Project, **options: bool) -> tuple[register.Candidate, Verdict, aliases.Promotion]:
    candidate = register.register(project)
    verdict = judge.judge(project, candidate, passed_canary(candidate.version))
    return candidate, verdict, aliases.promote(verdict, **options)


def test_the_first_model_that_passes_the_floors_is_champion(project: Path) -> None:
    candidate, verdict, result = decide(make_project(project))
    assert candidate.created
    assert verdict.outcome == "VALIDATED"
    assert result == aliases.Promotion(champion=1, previous=None, changed=True)
    assert json.loads(Project(project).verdict.read_text())["outcome"] == "VALIDATED"
    [version] = versions.all_versions()
    assert set(version.aliases) == {CHALLENGER, CHAMPION}
    assert version.tags["verdict"] == "VALIDATED"
    assert version.tags["run_id"] == version.run_id
    assert version.tags["git_commit"]
    assert version.tags["test_accuracy"] == "1.0000"


def test_the_same_model_again_is_the_same_version(project: Path) -> None:
    made = make_project(project)
    decide(made)
    candidate, verdict, result = decide(made)
    assert (candidate.version, candidate.created) == (1, False)
    assert verdict.outcome == "VALIDATED"
    assert not result.changed
    assert len(versions.all_versions()) == 1


def test_a_version_shows_what_was_measured_last(project: Path) -> None:
    made = make_project(project)
    decide(made)
    [before] = versions.all_versions()
    measured = json.loads(made.metrics.read_text(encoding="utf-8"))
    # As after the labels of some test images were corrected: train and its model stay as they are.
    measured["test"] |= {"accuracy": 0.625, "accuracy_low": 0.5, "accuracy_high": 0.75, "macro_recall": 0.5}
    made.metrics.write_text(json.dumps(measured), encoding="utf-8")
    register.register(made)
    [after] = versions.all_versions()
    assert before.tags["test_accuracy"] != after.tags["test_accuracy"] == "0.6250"
    assert after.tags["test_accuracy_interval"] == "0.5000 to 0.7500"
    assert after.tags["test_macro_recall"] == "0.5000"
    assert after.tags["run_id"] == before.tags["run_id"]


def test_a_worse_model_is_rejected_and_a_better_one_replaces_the_champion(project: Path) -> None:
    # Wrong on six photos, the fewest on which a gain is told from chance.
    made = make_project(project, threshold=0.8)
    decide(made)
    worse, verdict, result = decide(evaluated(made, ("Dark", "Light"), 0.9))
    assert verdict.outcome == "REJECTED"
    assert (result.champion, result.changed) == (1, False)
    assert versions.version_with_alias(CHALLENGER) == worse.version == 2
    _, verdict, result = decide(evaluated(made, ("Dark", "Light"), 0.0))
    assert verdict.outcome == "VALIDATED"
    assert result == aliases.Promotion(champion=3, previous=1, changed=True)
    assert aliases.rollback() == aliases.Promotion(champion=1, previous=3, changed=True)
    assert versions.version_with_alias(PREVIOUS) == 3


@pytest.mark.long
def test_a_champion_of_other_classes_is_replaced_on_demand_only(project: Path) -> None:
    made = make_project(project)
    decide(made)
    for label, new in (("Dark", "Night"), ("Light", "Day")):
        (made.data / label).rename(made.data / new)
    for split in ("train", "val", "test"):
        path = made.split(split)
        path.write_text(path.read_text().replace("Dark", "Night").replace("Light", "Day"))
    other = evaluated(made, ("Night", "Day"), 0.0)
    candidate, verdict, result = decide(other)
    assert verdict.outcome == "UNKNOWN"
    assert "Dark, Light" in verdict.reason
    assert not result.changed
    assert aliases.promote(verdict, replace_incomparable=True).champion == candidate.version


def test_another_version_of_the_same_run_is_not_judged_yet(project: Path) -> None:
    made = make_project(project)
    decide(made)
    made.params.write_text(made.params.read_text().replace("min_confidence: 0.0", "min_confidence: 0.9"))
    candidate = register.register(made)
    second, first = versions.all_versions()
    assert (candidate.version, candidate.created, second.run_id) == (2, True, first.run_id)
    judged = {"verdict", "verdict_reason", "judged_at"}
    assert (judged & set(first.tags), judged & set(second.tags)) == (judged, set())
    with pytest.raises(RegistryError, match="Received: version 2, verdict none"):
        aliases.rollback(2)


def test_a_model_that_mlflow_lost_is_recorded_again(
    project: Path, mlflow_store: Path, empty_mlflow_database: Path
) -> None:
    made = make_project(project)
    client = mlflow.tracking.MlflowClient()
    [experiment] = [e for e in client.search_experiments() if e.name == "facesent"]
    for run in client.search_runs([experiment.experiment_id]):
        client.delete_run(run.info.run_id)
    candidate = register.register(made)
    run = client.get_run(candidate.run_id)
    assert run.data.metrics["test_accuracy"] == 1
    assert run.data.metrics["val_accuracy"] == 0.8
    assert {dataset.dataset.name for dataset in run.inputs.dataset_inputs} == {"train", "val", "test"}


@pytest.mark.long
def test_another_min_confidence_is_another_version_of_the_same_weights(project: Path) -> None:
    made = make_project(project)
    decide(made)
    always = made.params.read_text()
    made.params.write_text(always.replace("min_confidence: 0.0", "min_confidence: 0.9"))
    candidate, verdict, result = decide(made)
    assert candidate.created
    assert verdict.outcome == "VALIDATED"
    assert result == aliases.Promotion(champion=2, previous=1, changed=True)
    assert versions.all_versions()[0].tags["facesent.min_confidence"] == "0.9"
    assert len({version.run_id for version in versions.all_versions()}) == 1
    assert not decide(made)[0].created

    served = mlflow.pyfunc.load_model("models:/facesent@champion")
    # The brightest of the dark photos is near the border.
    photos = [(made.data / "Dark" / name).read_bytes() for name in ("00.png", "29.png")]
    request = pd.DataFrame({"image": [base64.b64encode(photo).decode() for photo in photos]})
    assert [answer["label"] for answer in served.predict(request)] == ["Dark", "uncertain"]
    easy = served.predict(request, params={"min_confidence": 0.5})
    assert [answer["label"] for answer in easy] == ["Dark", "Dark"]

    made.params.write_text(always)
    candidate, _, result = decide(made)
    assert (candidate.version, candidate.created) == (1, False)
    assert result == aliases.Promotion(champion=1, previous=2, changed=True)


def test_a_version_that_knows_its_training_images_marks_what_is_unlike_them(project: Path) -> None:
    made = make_project(project)
    decide(made)
    usual = mlflow.pyfunc.load_model("models:/facesent/1")
    unmarked = made.params.read_text()
    made.params.write_text(unmarked.replace("unlike: none", "unlike: mark"))
    candidate, verdict, _ = decide(made)
    assert (candidate.version, verdict.outcome) == (2, "VALIDATED")
    assert not decide(made)[0].created
    served = mlflow.pyfunc.load_model("models:/facesent@champion")
    # All that was trained on is grey.
    request = pd.DataFrame({"image": [photo_of("red"), photo_of("dimgrey")]})
    assert [answer["unlike"] for answer in served.predict(request)] == [True, False]
    unsure = served.predict(request, params={"unlike": "uncertain"})
    assert [answer["label"] for answer in unsure] == ["uncertain", "Dark"]
    silent = served.predict(request, params={"unlike": "none"})
    assert [{**answer, "version": 1} for answer in silent] == usual.predict(request)
    assert "unlike" not in usual.metadata.signature.to_dict()["outputs"] + usual.metadata.signature.to_dict()["params"]
    assert "unlike" in served.metadata.signature.to_dict()["outputs"]
    body = {"inputs": {"image": [photo_of("red")]}, "params": {"unlike": "uncertain"}}
    mlflows, ours = (
        TestClient(app).post("/invocations", json=body)
        for app in (init(served), Gateway(served, replace(SETTINGS, log=None)))
    )
    assert b'"label": "uncertain"' in ours.content
    assert ours.content == mlflows.content
    [kept] = (project / "mlruns").rglob("unlike.npz")
    with np.load(kept) as known:
        assert (known["embeddings"].dtype, known["embeddings"].shape) == (np.float16, (20, 3))
        forgotten = known["contents"][0]
    assert forgetting.remove_embeddings(lambda images: images["content"] == forgotten) == 1
    with np.load(kept) as known:
        assert known["embeddings"].shape == (19, 3)
        assert forgotten not in known["contents"]
    made.params.write_text(unmarked.replace("unlike: none", "unlike: mark").replace("neighbours: 5", "neighbours: 2"))
    assert decide(made)[0].version == 3
    made.params.write_text(unmarked)
    assert decide(made)[0].version == 1


def photo_of(colour: str) -> str:
    buffer = io.BytesIO()
    Image.new("RGB", (24, 24), colour).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def test_without_a_model_the_command_to_run_is_named(project: Path) -> None:
    with pytest.raises(FacesentError, match="dvc repro"):
        register.register(Project(project))


def test_measures_of_another_model_are_not_told_of_this_one(project: Path) -> None:
    made = make_project(project)
    made.evaluated_model.write_text("of the training before\n")
    with pytest.raises(FacesentError, match=r"measures of another model\. Run: dvc repro"):
        register.register(made)


def test_rolling_back_without_a_previous_version_is_refused(project: Path) -> None:
    with pytest.raises(FacesentError, match="no version to go back to"):
        aliases.rollback()


def test_the_registered_model_answers_photos_and_refuses_the_rest(project: Path) -> None:
    from mlflow.exceptions import MlflowException

    made = make_project(project)
    decide(made)
    served = mlflow.pyfunc.load_model("models:/facesent@champion")
    photo = (made.data / "Dark" / "00.png").read_bytes()
    [answer] = served.predict(pd.DataFrame({"image": [base64.b64encode(photo).decode()]}))
    assert answer["label"] == "Dark"
    assert answer["confidence"] == max(answer["probabilities"].values())
    classifier = versions.load_classifier(versions.version_named().number)
    [by_hand] = classifier.predict([classifier.read(photo)])
    assert {**answer, **by_hand.as_dict()} == answer
    assert answer["version"] == 1
    assert set(answer) == {"label", "confidence", "probabilities", "version", "box"}
    with pytest.raises(MlflowException, match="Row 1: Expected a JPEG"):
        served.predict(pd.DataFrame({"image": [base64.b64encode(photo).decode(), "no photo"]}))


@pytest.mark.parametrize("changed", [False, pytest.param(True, marks=pytest.mark.long)])
def test_a_champion_whose_files_were_deleted_or_changed_is_registered_anew(project: Path, changed: bool) -> None:
    made = make_project(project)
    decide(made)
    if changed:
        # Another model of the same classes, which loads and answers.
        labels = next((project / "mlruns").rglob("artifacts/labels.json"))
        labels.write_text('["Light", "Dark"]')
    else:
        shutil.rmtree(next((project / "mlruns").rglob("models")))
    with pytest.raises(RegistryError, match="again: facesent promote"):
        versions.load_classifier(1)
    candidate, _, result = decide(made)
    assert (candidate.version, candidate.created, result.champion) == (2, True, 2)
    versions.load_classifier(2)
    assert not register.register(made).created


def test_a_server_that_is_down_is_told_with_what_to_do(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(TrackingError, match="Start the server that MLFLOW_TRACKING_URI names, or unset it"):
        aliases.rollback()
