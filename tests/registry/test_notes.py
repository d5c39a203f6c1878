"""What MLflow's list of runs is told."""

import json

from facesent.evaluation.measures import ClassMeasures, Measures
from facesent.model.settings import Model
from facesent.params import load_params
from facesent.registry import notes
from tests.helpers.trained_project import REPOSITORY

MODEL = load_params(REPOSITORY / "presets" / "quick.yaml").model


def measures(accuracy: float, images: int = 100) -> Measures:
    classes = {
        "Angry": ClassMeasures(0.5, 0.4, 0.4, 60),
        "Happy": ClassMeasures(0.9, 0.8, 0.8, 40),
        "Empty": ClassMeasures(0.0, 0.0, 0.0, 0),
    }
    return Measures(images, accuracy, accuracy - 0.1, accuracy + 0.1, 0.6, 0.5, 0.7, 0.6, 1.0, 0.1, 0.05, 0.05, classes)


def note(model: Model = MODEL) -> str:
    splits = {"train": measures(0.9, 1234), "val": measures(0.8), "test": measures(0.7)}
    return notes.training_note(model, 30, 24, splits)["mlflow.note.content"]


def test_note_says_what_was_trained_and_what_it_reached() -> None:
    was, reached = note().split("\n\n")
    assert "reference_cnn** at 64×64 from random weights: 30 epochs over 1,234 images; kept epoch 24" in was
    assert "80.0% accuracy on the validation images" in was
    assert "Accuracy **70.0%** on 100 test images (60.0% to 80.0%)" in reached


def test_a_class_without_images_is_not_the_weakest() -> None:
    assert "The weakest class is Angry: recall 40.0%" in note()


def test_note_names_weights_without_their_folder() -> None:
    model = MODEL.model_copy(update={"weights": "/home/ada/weights/faces.weights.h5"})
    assert "from the weights faces.weights" in note(model)
    assert "ada" not in note(model)


def test_view_begins_with_the_curves() -> None:
    view = json.loads(notes.experiment_tags()[f"mlflow.sharedViewState.{notes.VIEW}"])
    section = view["compareRunSections"][0]["uuid"]
    assert {chart["metricSectionId"] for chart in view["compareRunCharts"]} == {section}
    assert [chart["metricKey"] for chart in view["compareRunCharts"][:2]] == ["epoch/val_accuracy", "epoch/accuracy"]
    assert len({chart["uuid"] for chart in view["compareRunCharts"]}) == len(view["compareRunCharts"])


def test_tags_fit_into_what_mlflow_takes() -> None:
    assert all(len(value) <= 5000 for value in notes.experiment_tags().values())
