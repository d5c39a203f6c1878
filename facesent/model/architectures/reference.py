"""The reference recipe's network."""

from typing import Any

from facesent.model.architectures.attention import ATTENTION
from facesent.model.backend import keras
from facesent.model.layers import Convolution3x3, FusedBatchNormalization
from facesent.model.settings import Model

FILTERS = (32, 64, 128, 256, 512, 1024, 2048)
DENSE_UNITS = (1024, 512, 256)


def features(images: Any, settings: Model) -> Any:
    """Seven convolution blocks from 32 to 2048 filters, global average pooling, three dense layers.

    27.9 million parameters at six classes, whatever the image size: pooling stops when a map is one pixel wide.
    """
    # In float32 always: bfloat16 would round neighbouring shades to one.
    x = keras.layers.Rescaling(1 / 127.5, offset=-1, dtype="float32", name="rescale")(images)
    for number, filters in enumerate(FILTERS, start=1):
        x = _convolution_block(x, filters, number, settings)
    x = keras.layers.GlobalAveragePooling2D(name="average")(x)
    for number, units in enumerate(DENSE_UNITS, start=1):
        x = keras.layers.Dense(units, activation="relu", name=f"dense_{number}")(x)
        x = keras.layers.Dropout(settings.dropout, name=f"dropout_{number}")(x)
    return x


def _convolution_block(x: Any, filters: int, number: int, settings: Model) -> Any:
    x = Convolution3x3(filters, name=f"convolution_{number}")(x)
    x = FusedBatchNormalization(momentum=settings.batch_norm_momentum, name=f"normalise_{number}")(x)
    if x.shape[1] > 1:
        # Pooling before ReLU gives the same values from a quarter of the work.
        x = keras.layers.MaxPooling2D(name=f"pool_{number}")(x)
    x = keras.layers.ReLU(name=f"relu_{number}")(x)
    return ATTENTION[settings.attention](x, f"attention_{number}")
