"""Networks by name: from ``(size, size, 3)`` bytes to one probability a class."""

from typing import Any

from facesent.model.architectures import backbones, reference
from facesent.model.backend import keras
from facesent.model.layers import CalibratedSoftmax, MeanOfSides, WithMirrorImages
from facesent.model.settings import Model

LOGITS = "head_logits"
"""The layer that makes logits of features: the last one with weights."""


def build(settings: Model, classes: int, *, flip_average: bool = False) -> keras.Model:
    """Build the network that ``settings.name`` names, with fresh weights.

    Args:
        settings: name, image size and the options of the architecture.
        classes: number of outputs, at least 2.
        flip_average: answer with the mean over an image and its mirror image. It takes no weights, so that those of
            a network without it fit.

    Returns:
        A model from uint8 ``(batch, size, size, 3)`` to float32 probabilities ``(batch, classes)``.
    """
    if classes < 2:
        raise ValueError(f"Expected at least 2 classes. Received: {classes}")
    images = keras.Input((settings.image_size, settings.image_size, 3), dtype="uint8", name="image")
    x = both_sides(images) if flip_average else images
    features = reference.features if settings.name == "reference_cnn" else backbones.features
    outputs = answer(features(x, settings), classes, flip_average=flip_average)
    return keras.Model(images, outputs, name=settings.architecture)


def both_sides(images: Any) -> Any:
    """Put the mirror images behind the images: ``(n, h, w, c)`` to ``(2n, h, w, c)``."""
    return WithMirrorImages(dtype="uint8", name="with_mirror_images")(images)


def answer(features: Any, classes: int, *, flip_average: bool) -> Any:
    """Probabilities from features: ``(n, features)``, or ``(2n, features)`` of both sides, to ``(n, classes)``."""
    logits = keras.layers.Dense(classes, dtype="float32", name=LOGITS)(features)
    if flip_average:
        # Of logits, so that one temperature calibrates the mean.
        logits = MeanOfSides(dtype="float32", name="mean_of_sides")(logits)
    return CalibratedSoftmax(dtype="float32", name="probabilities")(logits)
