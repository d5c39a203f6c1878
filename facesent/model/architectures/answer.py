"""The end of every network: from features to probabilities; and the two sides of flip averaging."""

from typing import Any

from facesent.model.backend import keras
from facesent.model.layers import CalibratedSoftmax, MeanOfSides, WithMirrorImages


def both_sides(images: Any) -> Any:
    """Put the mirror images behind the images: ``(n, h, w, c)`` to ``(2n, h, w, c)``."""
    return WithMirrorImages(dtype="uint8", name="with_mirror_images")(images)


def answer(features: Any, classes: int, *, flip_average: bool) -> Any:
    """Probabilities from features: ``(n, features)``, or ``(2n, features)`` of both sides, to ``(n, classes)``."""
    logits = keras.layers.Dense(classes, dtype="float32", name="head_logits")(features)
    if flip_average:
        # Of logits, so that one temperature calibrates the mean.
        logits = MeanOfSides(dtype="float32", name="mean_of_sides")(logits)
    return CalibratedSoftmax(dtype="float32", name="probabilities")(logits)
