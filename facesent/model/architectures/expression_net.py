"""The network for expressions of face-api: four dense blocks of separable convolutions.

Source: @vladmandic/face-api 1.7.15, ``FaceFeatureExtractor``.
"""

from typing import Any

from facesent.model.backend import keras

_FILTERS = (32, 64, 128, 256)


def expression_net(images: Any) -> Any:
    """Maps of 256 channels at a sixteenth of the side of ``images``, ``(n, h, w, 3)``."""
    x = images
    for number, filters in enumerate(_FILTERS):
        x = _block(x, filters, f"dense{number}", plain=number == 0)
    return x


def _block(x: Any, filters: int, name: str, *, plain: bool) -> Any:
    """Each convolution but the first takes the sum of all before it."""
    first = keras.layers.Conv2D if plain else keras.layers.SeparableConv2D
    sums = keras.layers.ReLU(name=f"{name}_relu0")(
        first(filters, 3, strides=2, padding="same", name=f"{name}_conv0")(x)
    )
    for number in (1, 2, 3):
        convolution = keras.layers.SeparableConv2D(filters, 3, padding="same", name=f"{name}_conv{number}")
        before = sums if number == 1 else keras.layers.ReLU(name=f"{name}_relu{number - 1}")(sums)
        sums = keras.layers.Add(name=f"{name}_sum{number}")([sums, convolution(before)])
    return keras.layers.ReLU(name=f"{name}_relu3")(sums)
