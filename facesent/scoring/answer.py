"""What is asked of a photo, and the answer; without the network that gives it, whose import takes seconds."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from facesent.prediction.classifier import Prediction
    from facesent.prediction.faces import Box

BATCH = 32
"""Photos in one pass of the network."""


@dataclass(frozen=True)
class Asked:
    """What is asked of each photo.

    Attributes:
        crop: "largest" to look at the largest face alone, or "none".
        min_confidence: answers that are less sure are "uncertain".
        top_k: name only so many of the likeliest labels; 0 for all.
    """

    crop: str = "none"
    min_confidence: float = 0.0
    top_k: int = 0


@dataclass(frozen=True)
class Answer:
    """The answer for one photo, or why there is none.

    Attributes:
        name: of the photo.
        prediction: None where it could not be read.
        box: of the face in the upright photo; None for the whole photo.
        error: why it could not be read.
    """

    name: str
    prediction: "Prediction | None" = None
    box: "Box | None" = None
    error: str | None = None
