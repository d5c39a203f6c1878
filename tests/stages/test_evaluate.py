import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from facesent.core.errors import DataError
from facesent.core.paths import Project
from facesent.evaluation.report.content import Report
from facesent.evaluation.report.page import render
from facesent.model.storage import model_sha256
from facesent.prediction.classifier import NoAnswerError
from facesent.run import run as run_stage
from tests.helpers.trained_project import REPOSITORY, make_project, write_model

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("mlflow_store")]


def at_temperature(made: Project, temperature: float) -> dict[str, Any]:
    """What ``evaluate`` measures on test when the network answers at another temperature."""
    from facesent.model.backend import keras
    from facesent.model.calibration import set_temperature
    from facesent.model.layers import CalibratedSoftmax
    from facesent.model.storage import load_model, save_model

    trained = load_model(made.model)
    logits = keras.layers.Dense(2, name="logits")
    network = keras.Model(
        trained.inputs[0], CalibratedSoftmax(name="probabilities")(logits(trained.get_layer("average").output))
    )
    logits.set_weights(trained.layers[-1].get_weights())
    set_temperature(network, temperature)
    save_model(network, made.model)
    run_stage("evaluate", made)
    return dict(json.loads(made.metrics.read_text())["test"])


def set_min_confidence(made: Project, value: float) -> None:
    text = made.params.read_text()
    made.params.write_text(text.replace("min_confidence: 0.0", f"min_confidence: {value}"))


def test_measures_before_and_after_the_calibration(project: Path) -> None:
    import mlflow

    made = make_project(project)
    before = json.loads(made.metrics.read_text())["test"]
    assert before["temperature"] == 1
    assert before["uncalibrated"]["log_loss"] == pytest.approx(before["log_loss"])
    after = at_temperature(made, 0.25)
    assert after["temperature"] == 0.25
    assert after["log_loss"] < 0.5 * before["log_loss"]
    for name, value in before["uncalibrated"].items():
        assert after["uncalibrated"][name] == pytest.approx(value, abs=1e-5)
    assert "temperature 0.250; ECE" in (made.evaluate / "report.md").read_text()
    [run, *_] = mlflow.search_runs(search_all_experiments=True, output_format="list", order_by=["start_time DESC"])
    assert run.data.metrics["test_uncalibrated/ece"] == pytest.approx(after["uncalibrated"]["ece"])
    assert run.data.metrics["test_behaviour/kept/mirror"] == 1
    logged = mlflow.artifacts.list_artifacts(run_id=run.info.run_id, artifact_path="evaluation")
    assert "evaluation/reliability.png" in {file.path for file in logged}


def test_what_min_confidence_leaves_is_measured(project: Path) -> None:
    made = make_project(project)
    assert "answered" not in json.loads(made.metrics.read_text())["test"]
    set_min_confidence(made, 0.9)
    run_stage("evaluate", made)
    answered = json.loads(made.metrics.read_text())["test"]["answered"]
    assert answered["min_confidence"] == 0.9
    assert 0.3 < answered["coverage"] < 0.9
    assert answered["accuracy"] == 1


def test_a_smile_is_covered_where_a_class_smiles(project: Path) -> None:
    made = make_project(project, labels=("Angry", "Happy"))
    behaviour = json.loads(made.metrics.read_text())["test"]["behaviour"]
    assert set(behaviour["kept"]) == {"mirror", "shift", "brighter", "darker", "jpeg"}
    # Flat grey photos: what covers the mouth has their colour.
    assert behaviour["smile_covered"]["images"] == 10
    assert behaviour["smile_covered"]["fall"] == pytest.approx(0, abs=1e-6)


def test_a_rerun_writes_the_same_bytes(project: Path) -> None:
    made = make_project(project)
    first = {file.name: file.read_bytes() for file in made.evaluate.iterdir()}
    run_stage("evaluate", made)
    assert {file.name: file.read_bytes() for file in made.evaluate.iterdir()} == first
    assert {"reliability.png", "report.json", "report.html"} <= set(first)
    assert first["model_sha256.txt"].decode() == f"{model_sha256(made.model, made.labels)}\n"
    watched = pd.read_csv(made.evaluate / "as_watched.csv")
    assert list(watched.columns) == ["person", "label", "confidence", "brightness", "sharpness"]
    assert len(watched) == len(pd.read_csv(made.split("test")))
    # Flat pictures of two kinds: dark ones and light ones, without an edge.
    assert watched.groupby("label")["brightness"].max()["Dark"] < 127 < watched["brightness"].max()
    assert not watched["sharpness"].any()


def test_the_report_is_a_page_and_its_values(project: Path) -> None:
    made = make_project(project)
    report = Report.from_json((made.evaluate / "report.json").read_bytes())
    page = (made.evaluate / "report.html").read_text()
    assert page == render(report)
    assert "Not judged yet." in page
    test = json.loads(made.metrics.read_text())["test"]
    assert (report.accuracy.value, report.accuracy.images) == (test["accuracy"], test["images"])
    assert report.training.network == "brightness"
    assert report.training.parameters == 8
    assert report.training.model_bytes == made.model.stat().st_size
    assert [(each.label, each.test) for each in report.data.classes] == [("Dark", 10), ("Light", 10)]
    # A network without convolutions has no maps.
    assert {example.heat for example in report.successes.shown} == {""}


def test_slices_and_leaks_come_from_the_earlier_stages(project: Path) -> None:
    made = make_project(project)
    names = pd.read_csv(made.split("test"))["file_name"]
    manifest = pd.DataFrame(
        {
            # In another order than the split.
            "file_name": names[::-1],
            "label": [name.split("/")[0] for name in names[::-1]],
            "ok": True,
            "reason": None,
            "width": 24,
            "height": 24,
            "brightness": [float(name.startswith("Light")) for name in names[::-1]],
            "sharpness": 0.0,
        }
    )
    made.manifest.parent.mkdir()
    manifest.to_parquet(made.manifest)
    crossing = {"ungrouped": {"pairs": 9, "held_out": 5}, "found": {"pairs": 0, "held_out": 0}}
    links = {"links": [{"name": "same person", "groups": 2, "images": 7, **crossing}]}
    made.split_report.write_text(json.dumps(links))
    write_model(made, ("Dark", "Light"), threshold=0.9)
    run_stage("evaluate", made)
    report = Report.from_json((made.evaluate / "report.json").read_bytes())
    weakest = next(part for part in report.slices if part.attribute == "brightness")
    assert (weakest.name, weakest.accuracy.value, weakest.finding) == ("bright", 0.1, "weaker")
    assert report.data.links[0].prevented == 5


def test_the_columns_that_are_asked_for_are_in_every_result(project: Path) -> None:
    import mlflow

    made = make_project(project)
    default = {file.name: file.read_bytes() for file in made.evaluate.iterdir()}
    names = sorted(path.relative_to(made.data).as_posix() for path in made.data.glob("*/*.png"))
    # As people write values, which a page must not take for its own; the network is wrong about all but some dark ones.
    tone = "<b>[x](y)|z</b>"
    rows = [f'{name},"{tone if name < "Light" else "other"}"' for name in names]
    (made.data / "metadata.csv").write_text("\n".join(["file_name,skin tone", *rows]), encoding="utf-8")
    run_stage("evaluate", made)
    assert {file.name: file.read_bytes() for file in made.evaluate.iterdir()} == default
    made.params.write_text(made.params.read_text().replace("slices: []", "slices: [skin tone]"))
    write_model(made, ("Dark", "Light"), threshold=0.9)
    run_stage("evaluate", made)
    test = json.loads(made.metrics.read_text())["test"]
    of_tone = test["slices"]["skin tone"]
    assert (of_tone["gap"]["worst"], of_tone["gap"]["best"]) == ("other", tone)
    assert of_tone["gap"]["value"] == pytest.approx(0.9)
    assert (of_tone["values"]["other"]["people"], of_tone["values"]["other"]["finding"]) == (10, "weaker")
    [column] = Report.from_json((made.evaluate / "report.json").read_bytes()).columns
    assert column.gap
    assert json.loads((made.evaluate / "summary.json").read_text())["slices"]["skin tone"]["gap"] == column.gap.value
    page = (made.evaluate / "report.html").read_text()
    assert "&lt;b&gt;[x](y)|z&lt;/b&gt;" in page
    assert tone not in page
    for file in ("report.md", "model_card.md"):
        text = (made.evaluate / file).read_text()
        assert r"| &lt;b>\[x\](y)\|z&lt;/b>" in text
        assert "<b>" not in text
    assert "Results by skin tone are below." in (made.evaluate / "model_card.md").read_text()
    [run, *_] = mlflow.search_runs(search_all_experiments=True, output_format="list", order_by=["start_time DESC"])
    assert run.data.metrics["test_slice_gap/skin tone"] == pytest.approx(0.9)


def test_a_column_that_is_not_there_stops_the_run_before_it_begins(project: Path) -> None:
    made = Project(project)
    made.data.mkdir()
    (made.data / "metadata.csv").write_text("file_name,age\n")
    made.params.write_text((REPOSITORY / "params.yaml").read_text().replace("slices: []", "slices: [ages]"))
    with pytest.raises(DataError, match=r"Did you mean age\?"):
        run_stage("train", made)


def test_no_picture_of_a_class_that_is_not_shown(project: Path) -> None:
    made = make_project(project, labels=("Ahegao", "Happy"))
    report = Report.from_json((made.evaluate / "report.json").read_bytes())
    assert {example.actual for example in report.successes.shown} == {"Happy"}
    assert report.successes.withheld
    assert "Ahegao/" not in (made.evaluate / "report.html").read_text()


def test_a_network_whose_training_diverged_ends_with_a_sentence(project: Path) -> None:
    made = make_project(project)
    write_model(made, ["Dark", "Light"], threshold=float("nan"))
    with pytest.raises(NoAnswerError, match=r"Received: others for 20 of 20 images\. .*learning_rate"):
        run_stage("evaluate", made)
