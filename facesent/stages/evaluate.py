"""Stage ``evaluate``: the best model on the test split, as measures, tables and pictures, in files and in MLflow."""

import json
from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from facesent.console import run_stage, say
from facesent.data.examples import read_examples, read_split
from facesent.data.pipeline import Examples
from facesent.evaluation.behaviour import measure_behaviour
from facesent.evaluation.examination import Examination, answered
from facesent.evaluation.measures import Measures
from facesent.evaluation.metrics import confusion, measure
from facesent.evaluation.plots import save_confusion, save_curves, save_reliability
from facesent.evaluation.reliability import Bins, equal_width_bins
from facesent.evaluation.tables import class_table, comparison_markdown, evaluation_markdown, with_answers
from facesent.model.calibration import at_temperature
from facesent.model.classifier import Classifier
from facesent.params import Params, load_params
from facesent.project import SPLITS, Project
from facesent.registry.recording import record_evaluation

# The class of which it is known that the mouth tells it.
_SMILE = "Happy"


def evaluate(project: Project) -> None:
    """Measure on every split, write ``project.evaluate`` and log it to the run that trained the model."""
    params = load_params(project.params)
    frames = {name: read_split(project.split(name)) for name in SPLITS}
    classifier = Classifier.load(project.model, project.labels)
    examples = {
        name: read_examples(project.data, frame, classifier.labels, classifier.image_size, name, spill=project.outputs)
        for name, frame in frames.items()
    }
    scores = {
        name: classifier.probabilities(split.images, batch_size=params.evaluate.batch_size)
        for name, split in examples.items()
    }
    measures = {
        name: measure(split.targets, scores[name], classifier.labels, params.evaluate)
        for name, split in examples.items()
    }
    uncalibrated = at_temperature(scores["test"], 1 / classifier.temperature)
    test = _examine(classifier, examples["test"], scores["test"], uncalibrated, measures["test"], params)
    project.evaluate.mkdir(parents=True, exist_ok=True)
    _write_measures(project, measures, test)
    _write_predictions(project, frames["test"], scores["test"], classifier.labels)
    matrix = confusion(examples["test"].targets, scores["test"], len(classifier.labels))
    _draw_confusion(project, matrix, classifier.labels)
    _draw_curves(project)
    before, after = (_bins(examples["test"].targets, each, params) for each in (uncalibrated, scores["test"]))
    save_reliability(before, after, project.evaluate / "reliability.png")
    record_evaluation(project, params)
    say(comparison_markdown(measures))


def _examine(
    classifier: Classifier,
    test: Examples,
    scores: NDArray[np.float32],
    uncalibrated: NDArray[np.float64],
    measures: Measures,
    params: Params,
) -> Examination:
    return Examination(
        measures,
        classifier.temperature,
        measure(test.targets, uncalibrated, classifier.labels, params.evaluate),
        answered(test.targets, scores, params.serve.min_confidence),
        measure_behaviour(
            lambda images: classifier.probabilities(images, batch_size=params.evaluate.batch_size),
            test.images,
            test.targets,
            classifier.labels.index(_SMILE) if _SMILE in classifier.labels else None,
            before=scores,
        ),
    )


def _write_measures(project: Project, measures: Mapping[str, Measures], test: Examination) -> None:
    metrics = {**{name: split.as_dict() for name, split in measures.items()}, "test": test.as_dict()}
    text = json.dumps(metrics, indent=1, ensure_ascii=False) + "\n"
    project.metrics.write_text(text, encoding="utf-8")
    (project.evaluate / "report.md").write_text(evaluation_markdown(measures, test), encoding="utf-8")
    class_table(measures["test"]).to_csv(project.evaluate / "classes.csv", index=False)


def _write_predictions(project: Project, test: pd.DataFrame, scores: NDArray[np.float32], labels: list[str]) -> None:
    """One row a test image; ``actual`` and ``predicted`` are what ``dvc plots`` draws."""
    table = pd.DataFrame({"file_name": test["file_name"], "actual": test["label"]})
    table = with_answers(table, scores, labels)
    table.to_csv(project.evaluate / "predictions.csv", index=False, float_format="%.6f")


def _draw_curves(project: Project) -> None:
    history = pd.read_csv(project.history)
    kept = json.loads((project.train / "metrics.json").read_text(encoding="utf-8"))["best_epoch"]
    save_curves(history, kept - 1, project.evaluate / "curves.png")


def _draw_confusion(project: Project, matrix: NDArray[np.int64], labels: list[str]) -> None:
    folder = project.evaluate
    pd.DataFrame(matrix, labels, labels).to_csv(folder / "confusion_matrix.csv", index_label="actual")
    save_confusion(matrix, labels, folder / "confusion_matrix.png", normalised=False)
    save_confusion(matrix, labels, folder / "confusion_matrix_normalised.png", normalised=True)


def _bins(targets: NDArray[np.int64], scores: NDArray[np.floating], params: Params) -> Bins:
    number = params.evaluate.calibration_bins
    return equal_width_bins(scores.max(axis=1), scores.argmax(axis=1) == targets, number)


if __name__ == "__main__":
    run_stage(lambda: evaluate(Project()))
