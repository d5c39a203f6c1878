"""Attention over the channels and the places of a map."""

from collections.abc import Callable
from typing import Any

from facesent.model.backend import keras
from facesent.model.layers import ChannelStatistics

# The papers' choices.
_REDUCTION = 16
_PLACES_KERNEL = 7


def squeeze_excitation(x: Any, name: str) -> Any:
    """Scale each channel by a gate that sees the mean of every channel.

    Source: Hu et al., Squeeze-and-excitation networks, 2018, arXiv:1709.01507.
    """
    gate = keras.layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_squeeze")(x)
    for layer in _bottleneck(x.shape[-1], name, "sigmoid"):
        gate = layer(gate)
    return keras.layers.Multiply(name=f"{name}_excite")([x, gate])


def cbam(x: Any, name: str) -> Any:
    """Scale each channel, then each place, by gates that see means and maxima.

    Source: Woo et al., CBAM: convolutional block attention module, 2018, arXiv:1807.06521.
    """
    bottleneck = _bottleneck(x.shape[-1], name, None)
    seen = []
    for pooling in (keras.layers.GlobalAveragePooling2D, keras.layers.GlobalMaxPooling2D):
        gate = pooling(keepdims=True, name=f"{name}_{'mean' if 'Average' in pooling.__name__ else 'max'}")(x)
        for layer in bottleneck:
            gate = layer(gate)
        seen.append(gate)
    gate = keras.layers.Activation("sigmoid", name=f"{name}_channel_gate")(keras.layers.Add(name=f"{name}_sum")(seen))
    x = keras.layers.Multiply(name=f"{name}_channels")([x, gate])
    places = ChannelStatistics(name=f"{name}_statistics")(x)
    convolution = keras.layers.Conv2D(
        1, _PLACES_KERNEL, padding="same", activation="sigmoid", use_bias=False, name=f"{name}_place_gate"
    )
    return keras.layers.Multiply(name=f"{name}_places")([x, convolution(places)])


ATTENTION: dict[str, Callable[[Any, str], Any]] = {
    "none": lambda x, name: x,
    "squeeze_excitation": squeeze_excitation,
    "cbam": cbam,
}


def _bottleneck(channels: int, name: str, activation: str | None) -> list[Any]:
    fewer = max(channels // _REDUCTION, 1)
    return [
        keras.layers.Dense(fewer, activation="relu", name=f"{name}_reduce"),
        keras.layers.Dense(channels, activation=activation, name=f"{name}_restore"),
    ]
