"""From the files of a package to a Keras backbone's weights."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesent.model.architectures.backbones import untrained
from facesent.model.backend import keras
from facesent.model.settings import Model
from facesent.sources.weights.catalogue import Source
from facesent.sources.weights.readers import read_weights

Weights = Mapping[str, NDArray[Any]]
Array = NDArray[np.float32]

# Layers of fer_xception, and the names of their weights in the converted graph.
_GRAPH = "StatefulPartitionedCall/model_1"
FER_XCEPTION: Mapping[str, Sequence[str]] = {
    **{
        layer: (f"{_GRAPH}/{name}/Conv2D_weights", f"{_GRAPH}/{name}/Conv2D_bn_offset")
        for layer, name in (
            ("fer_conv1", "conv2d_1"), ("fer_conv2", "conv2d_2"),
            ("fer_shortcut1", "conv2d_3"), ("fer_shortcut3", "conv2d_4"),
        )
    },
    **{
        f"fer_separable{number}": (
            depthwise,
            f"{_GRAPH}/separable_conv2d_{number}/separable_conv2d_weights",
            f"{_GRAPH}/separable_conv2d_{number}/separable_conv2d_bn_offset",
        )
        for number, depthwise in enumerate(("unknown_9", "unknown_15", "unknown_26", "unknown_32"), 1)
    },
    "fer_classes": ("unknown_43", "unknown_44"),
}  # fmt: skip
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)[:, None]

# Any: no weight's shape depends on it.
_IMAGE_SIZE = 128
# Of a kernel's channel: a dead one is left as it is nearly.
_LEAST_DEVIATION = 1e-6


def convert(source: Source, members: Sequence[bytes], *, image_size: int = _IMAGE_SIZE) -> keras.Model:
    """The backbone that ``source`` describes, with its weights.

    Args:
        source: of the weights.
        members: contents of ``source.members``, already checked against their hashes.
        image_size: of the network; its weights are the same for all.

    Returns:
        a model from images ``(n, size, size, 3)``, scaled as ``source.scaling`` says, to maps.
    """
    settings = Model.model_validate(
        {"name": source.model, "image_size": image_size, "dropout": 0.0, "batch_norm_momentum": 0.99}
    )
    backbone = untrained(settings)
    _FILL.get(source.model, fill_folded)(backbone, read_weights(*members))
    return backbone


def fill_plain(network: keras.Model, weights: Weights) -> None:
    """Set a network of convolutions with biases to weights by face-api's names: ``dense0/conv1/pointwise_filter``."""
    for layer in network.layers:
        if layer.weights:
            name = layer.name.replace("_", "/")
            separable = isinstance(layer, keras.layers.SeparableConv2D)
            parts = ("depthwise_filter", "pointwise_filter", "bias") if separable else ("filters", "bias")
            layer.set_weights([weights[f"{name}/{part}"] for part in parts])


def fill_fer(network: keras.Model, weights: Weights) -> None:
    """Set ``fer_xception`` to the weights of a graph that the converter numbered.

    The graph takes grey images. Its first kernel is spread over red, green and blue by their parts of the luma.
    """
    grey = FER_XCEPTION["fer_conv1"][0]
    weights = {**weights, grey: weights[grey] * _LUMA}
    for layer, names in FER_XCEPTION.items():
        network.get_layer(layer).set_weights([weights[name] for name in names])


def fill_folded(mobilenet: keras.Model, weights: Weights) -> None:
    """Set Keras's MobileNet to one whose normalisations TensorFlow.js's converter folded.

    Into the kernel and an offset after it, and after depthwise convolutions into a scale and an offset.

    Args:
        mobilenet: whose weights are set.
        weights: by the names that the converter made of Keras's own.
    """
    for convolution, norm in _pairs(mobilenet):
        name, depthwise = convolution.name, _is_depthwise(convolution)
        offset = weights[f"{name}_bn/batchnorm_1/sub"]
        kernel = weights[f"{name}/depthwise_kernel" if depthwise else f"{name}/convolution/merged_input"]
        scale = weights[f"{name}_bn/batchnorm_1/mul"] if depthwise else np.ones_like(offset)
        kernel, normed = balanced(kernel, folded_norm(scale, offset, norm.epsilon), depthwise=depthwise)
        convolution.set_weights([kernel])
        norm.set_weights(normed)


_FILL = {"expression_net": fill_plain, "fer_xception": fill_fer}


def _pairs(backbone: keras.Model) -> Iterator[tuple[keras.Layer, keras.Layer]]:
    """Convolutions, each with the normalisation after it, from input to output: all that has weights."""
    layers = [layer for layer in backbone.layers if layer.weights]
    yield from zip(layers[::2], layers[1::2], strict=True)


def _is_depthwise(layer: keras.Layer) -> bool:
    return isinstance(layer, keras.layers.DepthwiseConv2D)


def folded_norm(scale: Array, offset: Array, epsilon: float) -> list[Array]:
    """The batch normalisation that gives ``scale * x + offset`` with that epsilon; all ``(channels,)``."""
    return [scale, offset, np.zeros_like(scale), np.full_like(scale, 1 - epsilon)]


def balanced(kernel: Array, norm: Sequence[Array], *, depthwise: bool) -> tuple[Array, list[Array]]:
    """The same function from kernels of He's deviation, ``sqrt(2 / inputs)`` in every output channel.

    Folding a normalisation leaves kernels whose channels differ by orders of magnitude: a step of Adam, which knows no
    scale, is nothing to some and destroys others.

    Args:
        kernel: as Keras has it.
        norm: that follows it, with a mean of 0.
        depthwise: whether the third axis holds the output channels.

    Returns:
        the kernel divided by each channel's factor, and the normalisation whose gamma has it instead.
    """
    axes = (0, 1, 3) if depthwise else (0, 1, 2)
    inputs = kernel.size // (kernel.shape[2] if depthwise else kernel.shape[3])
    # In float64, so that the order of the sum, which differs between machines, changes no bit of the float32 result.
    deviation = np.sqrt(np.square(kernel.astype(np.float64)).mean(axis=axes, keepdims=True) * inputs / 2)
    factor = np.maximum(deviation, _LEAST_DEVIATION).astype(np.float32)
    gamma, *others = norm
    return kernel / factor, [gamma * factor.reshape(-1), *others]
