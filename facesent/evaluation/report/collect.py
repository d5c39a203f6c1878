"""The report's values from what the stages measured."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from facesent.evaluation.examination import Examination
from facesent.evaluation.gaps import ColumnResult
from facesent.evaluation.measures import Measures
from facesent.evaluation.metrics import confusion
from facesent.evaluation.reliability import interval_of
from facesent.evaluation.report.content import (
    Abstention,
    Bin,
    Calibration,
    ClassCounts,
    ClassResult,
    CurvePoint,
    Data,
    HardPair,
    KnownResult,
    Link,
    PrecisionRecall,
    Report,
    Training,
)
from facesent.evaluation.report.pictures import DrawHeat, ScoredImages, choose_mistakes, choose_successes, show
from facesent.evaluation.settings import Evaluate, Reference, Reporting
from facesent.evaluation.slices import slices

_MOST_PAIRS = 6
_BINS = 10
_CURVE_POINTS = 60
_BETWEEN = "belongs to images of two splits"


@dataclass(frozen=True)
class Measured:
    """What was measured: on each split, and more on test."""

    splits: Mapping[str, Measures]
    test: Examination


@dataclass(frozen=True)
class Background:
    """What the numbers rest on.

    Attributes:
        data: counts of the images.
        training: the model's making.
        facts: of the test images, as ``slices`` takes them.
        reference: as ``reference_of`` gives it.
        columns: as ``compare_values`` gives them.
    """

    data: Data
    training: Training
    facts: pd.DataFrame
    reference: Reference | None = None
    columns: Sequence[ColumnResult] = ()


def make_report(
    test: ScoredImages,
    results: Measured,
    background: Background,
    draw_heat: DrawHeat,
    settings: Evaluate,
    shown: Reporting,
) -> Report:
    """All that the page says; ``results`` are of the images in ``test``, and the settings those they were made with."""
    level, hidden = settings.confidence_level, shown.no_thumbnails
    measures = results.test.measures
    matrix = confusion(test.targets, test.scores, len(test.labels))
    return Report(
        confidence_level=level,
        accuracy=measures.accuracy_estimate,
        split_accuracy={name: split.accuracy_estimate for name, split in results.splits.items()},
        commonest_share=float(matrix.sum(axis=1).max() / matrix.sum()),
        macro_recall=measures.macro_recall_estimate,
        macro_f1=measures.macro_f1,
        data=background.data,
        training=background.training,
        labels=list(test.labels),
        confusion=matrix.tolist(),
        classes=class_results(test, level),
        calibration=calibration_of(test, results.test, level),
        abstention=abstention_of(results.test),
        slices=slices(background.facts, test.correct, level),
        same_answer=dict(results.test.behaviour.kept),
        mistakes=show(test, choose_mistakes(test, hidden), draw_heat),
        successes=show(test, choose_successes(test, hidden), draw_heat),
        no_thumbnails=list(hidden),
        pairs=hard_pairs(matrix, test.labels),
        precision_recall=precision_recall(test),
        reference=_known_result(background.reference),
        columns=list(background.columns),
    )


def precision_recall(test: ScoredImages) -> list[PrecisionRecall]:
    """The curve of each class, thinned to ``_CURVE_POINTS``; its area is scikit-learn's average precision."""
    from sklearn.metrics import average_precision_score, precision_recall_curve

    curves = []
    for index, label in enumerate(test.labels):
        truth = test.targets == index
        if not truth.any():
            continue
        precision, recall, _ = precision_recall_curve(truth, test.scores[:, index])
        # From the strictest threshold on; its first point is by definition.
        points = np.column_stack([recall, precision])[::-1][1:]
        kept = np.unique(np.linspace(0, len(points) - 1, min(len(points), _CURVE_POINTS)).round().astype(int))
        rounded = [(round(float(one), 4), round(float(other), 4)) for one, other in points[kept]]
        area = float(average_precision_score(truth, test.scores[:, index]))
        curves.append(PrecisionRecall(label, area, rounded))
    return curves


def _known_result(reference: Reference | None) -> KnownResult | None:
    accuracy = reference.accuracy.get("test") if reference else None
    return KnownResult(reference.name, accuracy / 100) if reference and accuracy is not None else None


@dataclass(frozen=True)
class Network:
    """What is known of the trained network: see ``content.Training``."""

    name: str
    image_size: int
    parameters: int
    model_bytes: int


def data_of(
    splits: Mapping[str, pd.DataFrame], manifest: pd.DataFrame | None, split_report: Mapping[str, Any] | None
) -> Data:
    """Counts of the images.

    Args:
        splits: as ``read_split`` gives them, by name.
        manifest: as ``scan`` gives it; None if it is not known.
        split_report: as ``split_summary`` gives it; None if it is not known.
    """
    used = pd.concat(list(splits.values()), ignore_index=True)
    files = used.assign(ok=True, reason=None) if manifest is None else manifest
    labels = sorted({*used["label"], *files["label"]})
    # Those of the split are whole, and stand between two splits.
    between = files["file_name"].isin(list((split_report or {}).get("left_out", ())))
    files = files.assign(ok=files["ok"].astype(bool) & ~between, reason=files["reason"].mask(between, _BETWEEN))
    left_out = files[~files["ok"]]
    classes = [
        ClassCounts(
            label,
            int((files["label"] == label).sum()),
            int((left_out["label"] == label).sum()),
            *(int((splits[name]["label"] == label).sum()) for name in ("train", "val", "test")),
        )
        for label in labels
    ]
    # Behind a colon some reasons name another file.
    why = left_out["reason"].astype(str).str.split(":").str[0]
    reasons = {str(reason): int(count) for reason, count in why.value_counts().sort_index().items()}
    links = [
        Link(
            kind["name"],
            kind["groups"],
            kind["images"],
            max(0, kind["ungrouped"]["held_out"] - kind["found"]["held_out"]),
            kind["found"]["held_out"],
        )
        for kind in (split_report or {}).get("links", ())
    ]
    return Data(classes, reasons, links)


def reference_of(
    settings: Evaluate, splits: Mapping[str, pd.DataFrame], manifest: pd.DataFrame | None
) -> Reference | None:
    """The result to stand beside the model's: the settings', where these are the images that it was reached on.

    Args:
        settings: may name one.
        splits: as ``read_split`` gives them, by name.
        manifest: as ``scan`` gives it; None if it is not known.
    """
    reference, files = settings.reference, pd.concat(list(splits.values())) if manifest is None else manifest
    return reference if reference and reference.is_of(set(files["label"]), len(files)) else None


def facts_of(test: pd.DataFrame, manifest: pd.DataFrame | None) -> pd.DataFrame:
    """What is known of each test image, in the order of ``test``; its class and group alone without a manifest."""
    columns = ["brightness", "sharpness", "width", "height"]
    if manifest is None:
        return test[["label", "group"]]
    return test[["file_name", "label", "group"]].merge(manifest[["file_name", *columns]], on="file_name", how="left")


def training_of(network: Network, history: pd.DataFrame, kept: int) -> Training:
    """The training's course.

    Args:
        network: what was trained.
        history: columns ``loss``, ``val_loss``, ``accuracy``, ``val_accuracy``; a row an epoch.
        kept: epoch whose weights were kept, from 1.
    """
    columns = history[["loss", "val_loss", "accuracy", "val_accuracy"]]
    epochs = [CurvePoint(*map(float, row)) for row in columns.itertuples(index=False)]
    return Training(network.name, network.image_size, network.parameters, network.model_bytes, kept, epochs)


def class_results(test: ScoredImages, confidence_level: float) -> list[ClassResult]:
    """Recall and precision with their intervals."""
    return [
        ClassResult(
            label,
            test.share_right(test.targets == index, confidence_level),
            test.share_right(test.answers == index, confidence_level),
        )
        for index, label in enumerate(test.labels)
    ]


def hard_pairs(matrix: NDArray[np.int64], labels: Sequence[str]) -> list[HardPair]:
    """The pairs of classes with most mistakes between them, from images by true class (rows) and answer (columns)."""
    pairs = []
    for low in range(len(labels)):
        for high in range(low + 1, len(labels)):
            first, second = (low, high) if matrix[low, high] >= matrix[high, low] else (high, low)
            images = int(matrix[low].sum() + matrix[high].sum())
            there, back = int(matrix[first, second]), int(matrix[second, first])
            pairs.append(HardPair(labels[first], labels[second], there, back, images))
    found = [pair for pair in pairs if pair.mistakes]
    return sorted(found, key=lambda pair: -pair.mistakes)[:_MOST_PAIRS]


def calibration_of(test: ScoredImages, examination: Examination, confidence_level: float) -> Calibration:
    """Accuracy by confidence, in tenths."""
    sure = test.scores.max(axis=1)
    tenth = interval_of(sure, _BINS)
    bins = [
        Bin(float(sure[tenth == number].mean()), test.share_right(tenth == number, confidence_level))
        for number in np.unique(tenth)
    ]
    measures = examination.measures
    return Calibration(bins, measures.ece, measures.ece_noise, examination.temperature)


def abstention_of(examination: Examination) -> Abstention | None:
    """What is left of the answers at ``serve.min_confidence``."""
    left = examination.answered
    return Abstention(left.min_confidence, left.coverage, left.accuracy) if left else None
