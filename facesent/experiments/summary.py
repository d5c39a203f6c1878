"""All folds together: out-of-fold predictions, mean and deviation, every fold's curve."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from facesent.core.files import replaced
from facesent.core.markdown import table
from facesent.evaluation.measures import Measures
from facesent.evaluation.metrics import measure
from facesent.evaluation.predictions import classes_of, probabilities_of
from facesent.evaluation.settings import Evaluate
from facesent.experiments import fold_result
from facesent.experiments.fold_result import FoldResult
from facesent.experiments.folds import CrossValidationError, Folder
from facesent.images.batches import targets_of

_NAMES = {"macro_recall": "macro recall", "accuracy": "accuracy", "macro_f1": "macro F1", "log_loss": "log loss"}


@dataclass(frozen=True)
class FoldsSummary:
    """The measures of each fold and what they have in common.

    Attributes:
        folds: a row a fold, index ``fold`` from 1: images, the measures, epochs and the kept one.
        mean: of each measure over the folds.
        deviation: of each measure over the folds: the sample standard deviation (n - 1). The trainings share most of
            their images, so that it tells how much a result hangs on the division and is no standard error
            (Bengio and Grandvalet, No unbiased estimator of the variance of K-fold cross-validation, 2004).
        pooled: of all out-of-fold answers as one: the calibration error needs more images than a fold has.
    """

    folds: pd.DataFrame
    mean: dict[str, float]
    deviation: dict[str, float]
    pooled: Measures

    @property
    def sentence(self) -> str:
        """The result in one line."""
        return (
            f"{len(self.folds)} folds: macro recall {self._spread('macro_recall')}, accuracy {self._spread('accuracy')}"
        )

    @property
    def calibration(self) -> str:
        """How far confidence and accuracy are apart, in one line."""
        pooled = self.pooled
        return (
            f"All {pooled.images} out-of-fold answers: calibration error (ECE) {pooled.ece:.3f}, debiased "
            f"{pooled.ece_debiased:.3f}; perfect probabilities would show {pooled.ece_noise:.3f}"
        )

    def rows(self) -> list[list[str]]:
        """A table for people: names of the columns, the folds, mean, deviation."""
        folds = [
            [str(fold), f"{row['images']:.0f}", *_shown(row), f"{row['best_epoch']:.0f}/{row['epochs']:.0f}"]
            for fold, row in self.folds.iterrows()
        ]
        ends = [
            [name, "", *_shown(values), ""] for name, values in (("mean", self.mean), ("deviation", self.deviation))
        ]
        return [["fold", "images", *_NAMES.values(), "epoch"], *folds, *ends]

    def to_markdown(self) -> str:
        """The sentence, the table and the calibration."""
        head, *rows = self.rows()
        shown = table(head, rows)
        return "\n".join([f"{self.sentence}.", "", shown, "", f"{self.calibration}.", ""])

    def to_json(self) -> str:
        """The folds, mean, deviation and what is measured on all answers as JSON."""
        folds = self.folds.reset_index().to_dict("records")
        content = {"folds": folds, "mean": self.mean, "deviation": self.deviation, "pooled": self.pooled.as_dict()}
        return json.dumps(content, indent=1) + "\n"

    def _spread(self, measure: str) -> str:
        return f"{self.mean[measure]:.3f} ± {self.deviation[measure]:.3f}"


def summarise(results: Sequence[FoldResult], settings: Evaluate) -> FoldsSummary:
    """Mean and deviation of the folds, of which there are at least two, and what all their answers show together."""
    index = pd.Index([fold.fold for fold in results], name="fold")
    rows = [
        {"images": len(fold.predictions), **fold.measures, "epochs": len(fold.history), "best_epoch": fold.best_epoch}
        for fold in results
    ]
    folds = pd.DataFrame(rows, index)
    measures = folds[list(_NAMES)]
    return FoldsSummary(folds, _by_name(measures.mean()), _by_name(measures.std(ddof=1)), _pooled(results, settings))


def _pooled(results: Sequence[FoldResult], settings: Evaluate) -> Measures:
    answers = pd.concat([fold.predictions for fold in results])
    labels = classes_of(answers)
    targets = targets_of(answers["label"].tolist(), labels)
    return measure(targets, probabilities_of(answers), answers["group"].tolist(), labels, settings)


def gather(folder: Folder, fingerprints: Sequence[str]) -> list[FoldResult]:
    """Read the results of all folds.

    Args:
        folder: of the cross-validation.
        fingerprints: of each fold, as planned before the first training.

    Raises:
        CrossValidationError: one is missing, or of other settings.
    """
    for fold, fingerprint in enumerate(fingerprints, start=1):
        if not fold_result.holds(folder.fold(fold), fingerprint):
            raise CrossValidationError(
                f"Expected the result of fold {fold} in {folder.fold(fold)}, for the settings, images and code that "
                "the folds were planned with. Received: none, or another one. Run it again: finished folds are kept."
            )
    return [fold_result.read(folder.fold(fold)) for fold in range(1, len(fingerprints) + 1)]


def out_of_fold(results: Sequence[FoldResult], assigned: pd.DataFrame) -> pd.DataFrame:
    """The predictions of all folds, one row an image, sorted by ``file_name``.

    Raises:
        CrossValidationError: they are not of exactly the planned images.
    """
    table = pd.concat([fold.predictions for fold in results]).sort_values("file_name", ignore_index=True)
    if table["file_name"].tolist() != sorted(assigned["file_name"]):
        raise CrossValidationError(
            f"Expected a prediction for each of the {len(assigned)} planned images. "
            f"Received: {len(table)}, {table['file_name'].nunique()} of them different. Run it again."
        )
    return table


def write(folder: Folder, results: Sequence[FoldResult], assigned: pd.DataFrame, settings: Evaluate) -> FoldsSummary:
    """Write predictions, measures and curves of all folds, each file in one step."""
    from facesent.experiments.plots import save_fold_curves

    summary = summarise(results, settings)
    predictions = out_of_fold(results, assigned)
    with replaced(folder.predictions) as draft:
        predictions.to_csv(draft, index=False, float_format="%.9g", lineterminator="\n")
    for path, text in ((folder.summary, summary.to_json()), (folder.report, summary.to_markdown())):
        with replaced(path) as draft:
            draft.write_text(text, encoding="utf-8")
    save_fold_curves([fold.history for fold in results], [fold.best_epoch for fold in results], folder.curves)
    return summary


def _by_name(values: "pd.Series[float]") -> dict[str, float]:
    return {str(name): float(value) for name, value in values.items()}


def _shown(measures: "pd.Series[float] | dict[str, float]") -> list[str]:
    return [f"{measures[name]:.3f}" for name in _NAMES]
