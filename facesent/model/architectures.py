"""Networks by name: from ``(size, size, 3)`` bytes to one probability a class."""

from collections.abc import Callable
from typing import Any

from facesent.model.backend import keras
from facesent.model.layers import Convolution3x3, FusedBatchNormalization
from facesent.params import Model

FILTERS = (32, 64, 128, 256, 512, 1024, 2048)
DENSE_UNITS = (1024, 512, 256)


def build(settings: Model, classes: int) -> keras.Model:
    """Build the network that ``settings.name`` names, with fresh weights.

    Args:
        settings: name, image size, dropout and batch norm momentum.
        classes: number of outputs, at least 2.

    Returns:
        A model from uint8 ``(batch, size, size, 3)`` to float32 probabilities ``(batch, classes)``.
    """
    if classes < 2:
        raise ValueError(f"Expected at least 2 classes. Received: {classes}")
    return ARCHITECTURES[settings.name](settings, classes)


def reference_cnn(settings: Model, classes: int) -> keras.Model:
    """Seven convolution blocks from 32 to 2048 filters, global average pooling, three dense layers.

    27.9 million parameters at six classes, whatever the image size: pooling stops when a map is one pixel wide.
    """
    inputs = keras.Input((settings.image_size, settings.image_size, 3), dtype="uint8", name="image")
    # In float32 always: bfloat16 would round neighbouring shades to one.
    x = keras.layers.Rescaling(1 / 127.5, offset=-1, dtype="float32", name="rescale")(inputs)
    for number, filters in enumerate(FILTERS, start=1):
        x = _convolution_block(x, filters, number, settings.batch_norm_momentum)
    x = keras.layers.GlobalAveragePooling2D(name="average")(x)
    for number, units in enumerate(DENSE_UNITS, start=1):
        x = keras.layers.Dense(units, activation="relu", name=f"dense_{number}")(x)
        x = keras.layers.Dropout(settings.dropout, name=f"dropout_{number}")(x)
    outputs = keras.layers.Dense(classes, activation="softmax", dtype="float32", name="probabilities")(x)
    return keras.Model(inputs, outputs, name="reference_cnn")


ARCHITECTURES: dict[str, Callable[[Model, int], keras.Model]] = {"reference_cnn": reference_cnn}


def _convolution_block(x: Any, filters: int, number: int, momentum: float) -> Any:
    x = Convolution3x3(filters, name=f"convolution_{number}")(x)
    x = FusedBatchNormalization(momentum=momentum, name=f"normalise_{number}")(x)
    if x.shape[1] > 1:
        # Pooling before ReLU gives the same values from a quarter of the work.
        x = keras.layers.MaxPooling2D(name=f"pool_{number}")(x)
    return keras.layers.ReLU(name=f"relu_{number}")(x)
