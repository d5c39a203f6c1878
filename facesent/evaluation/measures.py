"""What is measured on a split, as values that can be stored and compared."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from facesent.core.errors import FacesentError
from facesent.evaluation.intervals import Estimate


@dataclass(frozen=True)
class ClassMeasures:
    """One class: ``support`` is its number of images; a measure without images to stand on is 0."""

    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class Measures:
    """All that is measured on one split; shares in 0..1.

    Attributes:
        accuracy_low: lower end of accuracy's interval, over people where they are known.
        accuracy_high: upper end.
        macro_recall: mean recall of the classes that have images.
        macro_recall_low: lower end of its interval, over people where they are known.
        macro_recall_high: upper end.
        log_loss: mean negative log probability of the true class, in nats.
        ece: expected calibration error.
        ece_debiased: the same with much of what chance adds to it taken out.
        ece_noise: what ``ece`` would be in the mean if the probabilities were perfect, with as many images.
    """

    images: int
    accuracy: float
    accuracy_low: float
    accuracy_high: float
    macro_recall: float
    macro_recall_low: float
    macro_recall_high: float
    macro_f1: float
    log_loss: float
    ece: float
    ece_debiased: float
    ece_noise: float
    classes: dict[str, ClassMeasures]

    @property
    def accuracy_estimate(self) -> Estimate:
        """Accuracy with its interval."""
        return Estimate(self.images, self.accuracy, self.accuracy_low, self.accuracy_high)

    @property
    def macro_recall_estimate(self) -> Estimate:
        """Macro recall with its interval."""
        return Estimate(self.images, self.macro_recall, self.macro_recall_low, self.macro_recall_high)

    def as_dict(self) -> dict[str, Any]:
        """The measures as plain values, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Measures":
        """Read what ``as_dict`` gave, among whatever else.

        Raises:
            KeyError: a measure is missing.
        """
        classes = {label: ClassMeasures(**of_class) for label, of_class in values["classes"].items()}
        own = {field.name: values[field.name] for field in fields(cls)}
        return cls(**{**own, "classes": classes})

    @property
    def worst_recall(self) -> float:
        """The lowest recall of a class that has images."""
        return min(measures.recall for measures in self.classes.values() if measures.support)


def read_measures(path: Path) -> dict[str, Measures]:
    """What ``evaluate`` measured, by split.

    Raises:
        FacesentError: the file is of another version of this code.
    """
    try:
        return {
            split: Measures.from_dict(values) for split, values in json.loads(path.read_text(encoding="utf-8")).items()
        }
    except (KeyError, TypeError) as error:
        raise FacesentError(
            f"Expected measures of the current format in {path}. Received: no {error}. Run: dvc repro evaluate"
        ) from None
