"""From the files of a package to a Keras backbone's weights."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesent.model.architectures.backbones import untrained
from facesent.model.backend import keras
from facesent.params import Model
from facesent.pretrained.arithmetic import balanced, folded_norm, keras_kernel, other_epsilon
from facesent.pretrained.sources import Source
from facesent.pretrained.tfjs_files import read_weights
from facesent.pretrained.torch_files import read_state_dict

Weights = Mapping[str, NDArray[Any]]

# Any: no weight's shape depends on it.
_IMAGE_SIZE = 128


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
    if source.layout == "torch":
        fill_in_order(backbone, read_state_dict(*members), source.epsilon)
    else:
        fill_folded(backbone, read_weights(*members))
    return backbone


def fill_in_order(backbone: keras.Model, weights: Weights, epsilon: float) -> None:
    """Set convolutions and batch normalisations to those of a state dict that has them in the same order.

    Args:
        backbone: whose weights are set.
        weights: each convolution's of four dimensions, and ``PREFIX.running_mean`` and its three siblings of each
            normalisation.
        epsilon: of their normalisations.
    """
    kernels = [value for value in weights.values() if value.ndim == 4]
    norms = [name.removesuffix(".running_mean") for name in weights if name.endswith(".running_mean")]
    for (convolution, norm), kernel, prefix in zip(_pairs(backbone), kernels, norms, strict=True):
        convolution.set_weights([keras_kernel(kernel, depthwise=_is_depthwise(convolution))])
        theirs = [weights[f"{prefix}.{part}"] for part in ("weight", "bias", "running_mean", "running_var")]
        norm.set_weights(other_epsilon(theirs, epsilon, norm.epsilon))


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


def _pairs(backbone: keras.Model) -> Iterator[tuple[keras.Layer, keras.Layer]]:
    """Convolutions, each with the normalisation after it, from input to output: all that has weights."""
    layers = [layer for layer in backbone.layers if layer.weights]
    yield from zip(layers[::2], layers[1::2], strict=True)


def _is_depthwise(layer: keras.Layer) -> bool:
    return isinstance(layer, keras.layers.DepthwiseConv2D)
