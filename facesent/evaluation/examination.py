"""What is asked of a model on the test split beyond its measures: calibration, abstention, behaviour."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesent.evaluation.behaviour import Behaviour
from facesent.evaluation.measures import Measures


@dataclass(frozen=True)
class Answered:
    """What is left of a split when less sure answers are "uncertain".

    Attributes:
        min_confidence: answers below it are not given.
        coverage: share of the images that get an answer.
        accuracy: of those; 0 where there are none.
    """

    min_confidence: float
    coverage: float
    accuracy: float


@dataclass(frozen=True)
class Examination:
    """Everything about the test split.

    Attributes:
        measures: of the model as it answers.
        temperature: that its probabilities have.
        uncalibrated: the measures at temperature 1.
        answered: None where every image is answered.
        behaviour: under changes of the images.
    """

    measures: Measures
    temperature: float
    uncalibrated: Measures
    answered: Answered | None
    behaviour: Behaviour

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON: the measures, and beside them the rest."""
        before = self.uncalibrated
        return {
            **self.measures.as_dict(),
            "temperature": self.temperature,
            "uncalibrated": {"ece": before.ece, "ece_debiased": before.ece_debiased, "log_loss": before.log_loss},
            **({"answered": asdict(self.answered)} if self.answered else {}),
            "behaviour": self.behaviour.as_dict(),
        }


def answered(
    targets: NDArray[np.int64], probabilities: NDArray[np.floating[Any]], min_confidence: float
) -> Answered | None:
    """How many images get an answer of at least ``min_confidence``, and how good those are.

    Args:
        targets: ``(n,)`` indices of the true classes.
        probabilities: ``(n, classes)``.
        min_confidence: 0 for all.
    """
    if not min_confidence:
        return None
    sure = probabilities.max(axis=1) >= min_confidence
    correct = probabilities.argmax(axis=1) == targets
    return Answered(min_confidence, float(sure.mean()), float(correct[sure].mean()) if sure.any() else 0.0)
