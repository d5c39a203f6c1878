"""The network for expressions of face-api: four dense blocks of separable convolutions.

Source: @vladmandic/face-api 1.7.15, ``FaceFeatureExtractor``.
"""

from typing import Any

from facesent.model.backend import keras

_FILTERS = (32, 64, 128, 256)


def expression_net(
    *,
    include_top: bool = False,
    weights: None = None,
    input_tensor: Any = None,
    input_shape: tuple[int, int, int] | None = None,
) -> keras.Model:
    """Maps of 256 channels at a sixteenth of the side, with the arguments of ``keras.applications``.

    Args:
        include_top: only False: it has no classifier.
        weights: only None: they come from a file.
        input_tensor: ``(n, h, w, 3)`` to stand on; by default a new one.
        input_shape: of a new one.

    Raises:
        ValueError: something else is asked for.
    """
    if include_top or weights:
        raise ValueError(f"Expected no classifier and no weights of Keras's own. Received: {include_top}, {weights}")
    inputs = keras.Input(input_shape) if input_tensor is None else input_tensor
    x = inputs
    for number, filters in enumerate(_FILTERS):
        x = _block(x, filters, f"dense{number}", plain=number == 0)
    return keras.Model(keras.utils.get_source_inputs(inputs)[0], x, name="expression_net")


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
