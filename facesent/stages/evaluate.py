"""Stage ``evaluate``: the best model on the test split, as measures, tables and pictures."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from facesent.core.console import progress_of, run_stage_as_before, say
from facesent.core.files import sha256
from facesent.core.paths import SPLITS, Project
from facesent.core.text import cell
from facesent.evaluation.behaviour import measure_behaviour
from facesent.evaluation.card import model_card
from facesent.evaluation.columns import read_columns
from facesent.evaluation.examination import Examination, answered
from facesent.evaluation.gaps import compare_values
from facesent.evaluation.heat_map import NoHeatMapError, heat_maps
from facesent.evaluation.measures import Measures
from facesent.evaluation.metrics import confusion, measure
from facesent.evaluation.plots import save_confusion, save_curves, save_reliability
from facesent.evaluation.predictions import as_watched, with_answers
from facesent.evaluation.reliability import equal_width_bins
from facesent.evaluation.report.collect import (
    Background,
    Measured,
    Network,
    data_of,
    facts_of,
    make_report,
    reference_of,
    training_of,
)
from facesent.evaluation.report.page import render
from facesent.evaluation.report.pictures import ScoredImages
from facesent.evaluation.settings import Evaluate, Reporting
from facesent.evaluation.tables import (
    class_table,
    comparison_markdown,
    evaluation_markdown,
    headline,
    headline_of_slices,
    slices_dict,
    slices_markdown,
)
from facesent.images.batches import Examples, read_examples
from facesent.images.reading import Pixels
from facesent.images.rows import read_split
from facesent.model.calibration import at_temperature
from facesent.model.storage import load_labels, load_model, model_sha256
from facesent.prediction.classifier import Classifier
from facesent.section import section

if TYPE_CHECKING:
    from facesent.model.backend import keras


@dataclass(frozen=True)
class _Scored:
    """A split, and what the network answered for it."""

    frame: pd.DataFrame
    examples: Examples
    scores: NDArray[np.float32]
    measures: Measures

    @property
    def right(self) -> NDArray[np.bool_]:
        """``(n,)``, which images were answered right."""
        return np.asarray(self.examples.targets == self.scores.argmax(axis=1))


def evaluate(project: Project) -> None:
    """Measure on every split and write ``project.evaluate``."""
    settings, shown = section(project.params, "evaluate", Evaluate), section(project.params, "report", Reporting)
    min_confidence = section(project.params, "serve.min_confidence", float)
    frames = {name: read_split(project.split(name)) for name in SPLITS}
    model = load_model(project.model)
    classifier = Classifier(model, load_labels(project.labels))
    splits = {name: _score(project, classifier, frame, name, settings) for name, frame in frames.items()}
    measures, test = {name: split.measures for name, split in splits.items()}, splits["test"]
    uncalibrated = at_temperature(test.scores, 1 / classifier.temperature)
    examined = _examine(classifier, test, uncalibrated, settings, min_confidence)
    background = _background(project, settings, model, frames, test.right)
    project.evaluate.mkdir(parents=True, exist_ok=True)
    _write_measures(project, measures, examined, background)
    _write_answers(project, test, classifier.labels, min_confidence)
    _draw_confusion(project, test, classifier.labels)
    _draw_curves(project)
    _draw_reliability(project, test, uncalibrated, settings)
    pictures = _pictures(test, classifier.labels)
    _write_report(project, settings, shown, model, pictures, Measured(measures, examined), background)
    # Last: what is told of a model is this one's, and whole.
    project.answers_sha256.write_text(f"{sha256(project.answers)}\n", encoding="utf-8")
    project.evaluated_model.write_text(f"{model_sha256(project.model, project.labels)}\n", encoding="utf-8")
    say(comparison_markdown(measures, background.reference))


def _score(project: Project, classifier: Classifier, frame: pd.DataFrame, name: str, settings: Evaluate) -> _Scored:
    side, labels = classifier.image_size, classifier.labels
    examples = read_examples(project.data, frame, labels, side, name, spill=project.outputs)
    with progress_of(f"Scoring {name}") as progress:
        scores = classifier.probabilities(examples.images, batch_size=settings.batch_size, progress=progress)
    return _Scored(frame, examples, scores, measure(examples.targets, scores, list(frame["group"]), labels, settings))


def _examine(
    classifier: Classifier,
    test: _Scored,
    uncalibrated: NDArray[np.float64],
    settings: Evaluate,
    min_confidence: float,
) -> Examination:
    targets, labels = test.examples.targets, classifier.labels
    return Examination(
        test.measures,
        classifier.temperature,
        measure(targets, uncalibrated, list(test.frame["group"]), labels, settings),
        answered(targets, test.scores, min_confidence),
        measure_behaviour(
            lambda images: classifier.probabilities(images, batch_size=settings.batch_size),
            test.examples.images,
            targets,
            labels.index(smiling) if (smiling := settings.smiling_class) in labels else None,
            before=test.scores,
        ),
    )


def _write_measures(
    project: Project, measures: Mapping[str, Measures], test: Examination, background: Background
) -> None:
    columns, reference = background.columns, background.reference
    of_slices = {"slices": slices_dict(columns)} if columns else {}
    metrics = {**{name: split.as_dict() for name, split in measures.items()}, "test": test.as_dict() | of_slices}
    text = json.dumps(metrics, indent=1, ensure_ascii=False) + "\n"
    project.metrics.write_text(text, encoding="utf-8")
    text = json.dumps(headline(measures) | headline_of_slices(columns), indent=1, ensure_ascii=False) + "\n"
    (project.evaluate / "summary.json").write_text(text, encoding="utf-8")
    markdown = evaluation_markdown(measures, test, reference) + slices_markdown(columns)
    (project.evaluate / "report.md").write_text(markdown, encoding="utf-8")
    class_table(measures["test"]).to_csv(project.evaluate / "classes.csv", index=False)


def _write_answers(project: Project, test: _Scored, labels: list[str], min_confidence: float) -> None:
    """One row a test image; ``actual`` and ``predicted`` are what ``dvc plots`` draws.

    The gate need not ask the network again: whose answers they are is told by hashes, and no bit of them is lost.
    """
    frame = test.frame
    table = pd.DataFrame({"file_name": frame["file_name"], "sha256": frame["sha256"], "actual": frame["label"]})
    table = with_answers(table, test.scores, labels)
    table.to_csv(project.answers, index=False, float_format="%.9g", lineterminator="\n")
    watched = as_watched(frame["group"], test.examples.images, test.scores, labels, min_confidence)
    watched.to_csv(project.evaluate / "as_watched.csv", index=False, float_format="%.4f")


def _draw_curves(project: Project) -> None:
    history = pd.read_csv(project.history)
    save_curves(history, _kept(project) - 1, project.evaluate / "curves.png")


def _kept(project: Project) -> int:
    """The epoch whose weights were kept, from 1."""
    return int(json.loads((project.training_metrics).read_text(encoding="utf-8"))["best_epoch"])


def _background(
    project: Project,
    settings: Evaluate,
    model: "keras.Model",
    frames: Mapping[str, pd.DataFrame],
    right: NDArray[np.bool_],
) -> Background:
    test = frames["test"]
    manifest = pd.read_parquet(project.manifest) if project.manifest.is_file() else None
    history = pd.read_csv(project.history)
    size = project.model.stat().st_size
    return Background(
        data_of(frames, manifest, _read_json(project.split_report)),
        training_of(Network(model.name, model.input_shape[1], model.count_params(), size), history, _kept(project)),
        facts_of(test, manifest),
        reference_of(settings, frames, manifest),
        compare_values(read_columns(project, settings.slices, test), test, right, settings.confidence_level),
    )


def _write_report(
    project: Project,
    settings: Evaluate,
    shown: Reporting,
    model: "keras.Model",
    scored: ScoredImages,
    results: Measured,
    background: Background,
) -> None:
    """The page for people, and its values, of which the gate makes the page with the verdict."""
    report = make_report(
        scored, results, background, lambda images, answers: _heat(model, images, answers), settings, shown
    )
    (project.evaluate / "report.json").write_bytes(report.to_json())
    (project.evaluate / "report.html").write_text(render(report), encoding="utf-8")
    card = model_card(report, shown.contact)
    (project.evaluate / "model_card.md").write_text(card, encoding="utf-8")


def _heat(model: "keras.Model", images: Pixels, answers: NDArray[np.int64]) -> NDArray[np.float32] | None:
    try:
        return heat_maps(model, images, answers)
    except NoHeatMapError as error:
        say(f"The report shows no heat maps. {error}")
        return None


def _read_json(path: Path) -> dict[str, Any] | None:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def _draw_confusion(project: Project, test: _Scored, labels: list[str]) -> None:
    folder, matrix = project.evaluate, confusion(test.examples.targets, test.scores, len(labels))
    named = [cell(label) for label in labels]
    pd.DataFrame(matrix, named, named).to_csv(folder / "confusion_matrix.csv", index_label="actual")
    save_confusion(matrix, labels, folder / "confusion_matrix.png", normalised=False)
    save_confusion(matrix, labels, folder / "confusion_matrix_normalised.png", normalised=True)


def _draw_reliability(project: Project, test: _Scored, uncalibrated: NDArray[np.float64], settings: Evaluate) -> None:
    before, after = (
        equal_width_bins(scores.max(axis=1), scores.argmax(axis=1) == test.examples.targets, settings.calibration_bins)
        for scores in (uncalibrated, test.scores)
    )
    save_reliability(before, after, project.evaluate / "reliability.png")


def _pictures(test: _Scored, labels: list[str]) -> ScoredImages:
    names, groups = list(test.frame["file_name"]), test.frame["group"].to_numpy(str)
    return ScoredImages(names, test.examples.images, test.examples.targets, test.scores, labels, groups)


if __name__ == "__main__":
    run_stage_as_before("evaluate")
