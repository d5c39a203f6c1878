"""The small Xception for expressions of Arriaga et al. (2017), up to one map for each of FER2013's seven classes.

Source: ``emotion`` of @vladmandic/human 3.3.6, which is ``big_XCEPTION`` of the paper's code with its batch
normalisations folded into the convolutions.
"""

from typing import Any

from facesent.model.backend import keras

_CLASSES = 7


def fer_xception(images: Any) -> Any:
    """Maps of seven channels at an eighth of the side of ``images``, ``(n, h, w, 3)``; the mean of each is a logit.

    The original takes grey images: the weights of red, green and blue are part of the first kernel.
    """
    x = keras.layers.Conv2D(32, 3, strides=2, activation="relu", name="fer_conv1")(images)
    x = keras.layers.Conv2D(64, 3, activation="relu", name="fer_conv2")(x)
    x = _block(x, 128, 1)
    x = _block(x, 256, 3, activated=True)
    return keras.layers.Conv2D(_CLASSES, 3, padding="same", name="fer_classes")(x)


def _block(x: Any, filters: int, first: int, *, activated: bool = False) -> Any:
    """Two separable convolutions, numbered from ``first``, beside a convolution of single pixels; half the side."""
    layers = keras.layers
    shortcut = layers.Conv2D(filters, 1, strides=2, padding="same", name=f"fer_shortcut{first}")(x)
    if activated:
        x = layers.ReLU(name=f"fer_relu{first}")(x)
    x = layers.SeparableConv2D(filters, 3, padding="same", activation="relu", name=f"fer_separable{first}")(x)
    x = layers.SeparableConv2D(filters, 3, padding="same", name=f"fer_separable{first + 1}")(x)
    x = layers.MaxPooling2D(3, strides=2, padding="same", name=f"fer_pool{first}")(x)
    return layers.Add(name=f"fer_sum{first}")([x, shortcut])
