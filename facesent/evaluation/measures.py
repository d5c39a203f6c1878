"""What is measured on a split, as values that can be stored and compared."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any


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
        accuracy_low: lower end of accuracy's bootstrap interval.
        accuracy_high: upper end.
        balanced_accuracy: mean recall of the classes that have images.
        log_loss: mean negative log probability of the true class, in nats.
        ece: expected calibration error.
        ece_debiased: the same with much of what chance adds to it taken out.
        ece_noise: what ``ece`` would be in the mean if the probabilities were perfect, with as many images.
    """

    images: int
    accuracy: float
    accuracy_low: float
    accuracy_high: float
    balanced_accuracy: float
    macro_f1: float
    log_loss: float
    ece: float
    ece_debiased: float
    ece_noise: float
    classes: dict[str, ClassMeasures]

    def as_dict(self) -> dict[str, Any]:
        """The measures as plain values, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Measures":
        """Read what ``as_dict`` gave, among whatever else."""
        classes = {label: ClassMeasures(**of_class) for label, of_class in values["classes"].items()}
        own = {field.name: values[field.name] for field in fields(cls)}
        return cls(**{**own, "classes": classes})

    @property
    def worst_recall(self) -> float:
        """The lowest recall of a class that has images."""
        return min(measures.recall for measures in self.classes.values() if measures.support)
