"""What became of a fold, written so that a kill never leaves a part of it, and read as it was written or not at all."""

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from facesent.evaluation.metrics import measure
from facesent.evaluation.predictions import with_answers
from facesent.evaluation.settings import Evaluate
from facesent.experiments.folds import Round
from facesent.params import Params
from facesent.training.fingerprint import CODE, fingerprint

# What scores a fold, beside what trains it.
_SCORING = ("prediction", "evaluation", "experiments/fold.py", "experiments/fold_result.py")
# What is measured on each fold; none of it depends on a setting that could change after the training.
MEASURES = ("accuracy", "macro_recall", "macro_f1", "log_loss")


@dataclass(frozen=True)
class FoldResult:
    """One trained and scored fold.

    Attributes:
        fold: its number, from 1.
        fingerprint: equal for what would give an equal result; ``fingerprint_of``.
        best_epoch: the epoch whose weights were kept, from 1.
        measures: ``MEASURES`` on the images that were held out.
        history: the logs of every epoch, with an index ``epoch`` from 1.
        predictions: of the images that were held out; as ``prediction_table`` makes them.
    """

    fold: int
    fingerprint: str
    best_epoch: int
    measures: dict[str, float]
    history: pd.DataFrame
    predictions: pd.DataFrame

    @property
    def metrics(self) -> dict[str, float]:
        """The result by names that no epoch's metric has."""
        return {"best_epoch": self.best_epoch, **{f"held_out_{name}": value for name, value in self.measures.items()}}


def fingerprint_of(params: Params, planned: Round) -> str:
    """Hash of all that decides about a fold's result."""
    sections = (params.model, params.train)
    return fingerprint(sections, planned.frames(), code=(*CODE, *_SCORING))


def holds(folder: Path, fingerprint: str) -> bool:
    """Tell whether the fold with this fingerprint is finished, and its files are as they were written."""
    return _metrics(folder).get("fingerprint") == fingerprint


def write(result: FoldResult, folder: Path) -> None:
    """Write ``metrics.json``, ``history.csv`` and ``predictions.csv`` into ``folder``, in one rename."""
    draft = folder.with_name(f".{folder.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    metrics = {
        "fold": result.fold,
        "fingerprint": result.fingerprint,
        "images": len(result.predictions),
        "epochs": len(result.history),
        "best_epoch": result.best_epoch,
        **result.measures,
    }
    result.history.to_csv(draft / "history.csv", lineterminator="\n")
    result.predictions.to_csv(draft / "predictions.csv", index=False, float_format="%.9g", lineterminator="\n")
    whole = {**metrics, "sha256": _sha256(metrics, draft)}
    (draft / "metrics.json").write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    draft.rename(folder)


def read(folder: Path) -> FoldResult:
    """Read what ``write`` wrote, and ``holds`` looked at."""
    metrics = _metrics(folder)
    text = {"file_name": str, "label": str, "group": str, "predicted": str}
    return FoldResult(
        fold=metrics["fold"],
        fingerprint=metrics["fingerprint"],
        best_epoch=metrics["best_epoch"],
        measures={name: metrics[name] for name in MEASURES},
        history=pd.read_csv(folder / "history.csv", index_col="epoch"),
        # A class may be called NA.
        predictions=pd.read_csv(folder / "predictions.csv", dtype=text, keep_default_na=False, lineterminator="\n"),
    )


def _metrics(folder: Path) -> dict[str, Any]:
    """The measures; none where the fold is not finished, or a file of it was damaged or changed since."""
    try:
        metrics: dict[str, Any] = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
        return metrics if metrics.pop("sha256") == _sha256(metrics, folder) else {}
    except (FileNotFoundError, ValueError, KeyError):
        return {}


def _sha256(metrics: dict[str, Any], folder: Path) -> str:
    """Of all that is known of a fold."""
    parts = [
        json.dumps(metrics).encode(),
        *((folder / name).read_bytes() for name in ("history.csv", "predictions.csv")),
    ]
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


def prediction_table(
    held_out: pd.DataFrame, fold: int, probabilities: NDArray[np.float32], labels: Sequence[str]
) -> pd.DataFrame:
    """One row an image: ``file_name, label, group, fold, predicted, confidence`` and ``probability_<Class>``.

    Args:
        held_out: the fold's images, ``file_name, label, group``.
        fold: its number, from 1.
        probabilities: ``(images, classes)``.
        labels: the classes.
    """
    return with_answers(held_out[["file_name", "label", "group"]].assign(fold=fold), probabilities, labels)


def measures_of(
    targets: NDArray[np.int64],
    probabilities: NDArray[np.float32],
    groups: Sequence[str],
    labels: Sequence[str],
    settings: Evaluate,
) -> dict[str, float]:
    """``MEASURES`` of one fold, shares in 0..1 and the log loss in nats; the macro ones over classes that it holds.

    Args:
        targets: ``(images,)`` indices into ``labels``.
        probabilities: ``(images, classes)``.
        groups: of the images.
        labels: the classes.
        settings: of what else ``measure`` gives.
    """
    measured = measure(targets, probabilities, groups, labels, settings)
    return {
        "accuracy": measured.accuracy,
        "macro_recall": measured.macro_recall,
        "macro_f1": measured.macro_f1,
        "log_loss": measured.log_loss,
    }
