import json
from pathlib import Path
from typing import Any

import pytest
from trained import make_project

from facesent.project import Project
from facesent.stages.evaluate import evaluate

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
    evaluate(made)
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
    evaluate(made)
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
    evaluate(made)
    assert {file.name: file.read_bytes() for file in made.evaluate.iterdir()} == first
    assert "reliability.png" in first
