"""Whether an exported network answers what ours answers."""

from dataclasses import dataclass

import numpy as np

from facesent.model.inference import Probabilities

# Rounding in float32, in another order of summation.
TOLERANCE = 1e-5


@dataclass(frozen=True)
class Parity:
    """Two networks on the same images.

    Attributes:
        images: their number.
        largest_difference: between two probabilities.
        other_labels: images whose likeliest class differs.
    """

    images: int
    largest_difference: float
    other_labels: int

    @property
    def holds(self) -> bool:
        """Whether the answers are the same up to rounding."""
        return self.largest_difference <= TOLERANCE and self.other_labels == 0


def compare(expected: Probabilities, received: Probabilities) -> Parity:
    """Compare two arrays of probabilities, ``(n, classes)`` each.

    Raises:
        ValueError: if they have different shapes, or no rows.
    """
    if received.shape != expected.shape or not len(expected):
        raise ValueError(f"Expected probabilities {expected.shape} of one image or more. Received: {received.shape}")
    # Not a number is no agreement.
    largest = float(np.nan_to_num(np.abs(received - expected), nan=np.inf).max())
    others = int((received.argmax(axis=1) != expected.argmax(axis=1)).sum())
    return Parity(len(expected), largest, others)
