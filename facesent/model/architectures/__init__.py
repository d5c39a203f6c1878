"""Networks by name: from ``(size, size, 3)`` bytes to one probability a class."""

from facesent.model.architectures import backbones, reference
from facesent.model.architectures.answer import answer, both_sides
from facesent.model.backend import keras
from facesent.params import Model


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
    return keras.Model(images, outputs, name=settings.name)
