"""Batch normalisation folded into the convolution before it: the same function in fewer steps, for inference."""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesent.model.backend import keras
from facesent.model.layers import Convolution3x3

# Only of these is it known that they compute what Conv2D does; a subclass may do anything.
_CONVOLUTIONS = (keras.layers.Conv2D, Convolution3x3, keras.layers.DepthwiseConv2D)


def fold_batch_norm(model: keras.Model) -> keras.Model:
    """Replace each convolution and the batch normalisation that directly follows it by one convolution with a bias.

    In inference a normalisation is an affine map of each channel, ``gamma (x - mean) / sqrt(variance + epsilon) +
    beta``, which the kernel and the bias can hold (Jacob et al. 2018, arXiv:1712.05877, section 3.2). What matches no
    such pair stays as it is.

    Args:
        model: a functional or sequential model; it keeps working, and its other layers are shared, not copied.

    Returns:
        A model for inference only, whose outputs differ from the given one's by rounding.
    """
    sequential = isinstance(model, keras.Sequential)
    graph = keras.Model(model.inputs[0], model.outputs[0]) if sequential else model
    sources: dict[int, tuple[Any, Any, Any]] = {}
    fold = cache(_fold)

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        if source := sources.get(id(args[0])):
            convolution, inputs, _ = source
            if _foldable(convolution, layer, training=kwargs.get("training")):
                return fold(convolution, layer, _is_pixel(convolution, inputs))(inputs)
        outputs = layer(*args, **kwargs)
        # The outputs are kept so that no later tensor gets their id.
        sources[id(outputs)] = (layer, args[0], outputs)
        return outputs

    # A convolution that nothing uses any more is not reachable from the outputs, and so no part of the new model.
    return keras.models.clone_model(graph, clone_function=lambda layer: layer, call_function=call)


def _foldable(convolution: Any, normalisation: Any, *, training: bool | None) -> bool:
    if type(convolution) not in _CONVOLUTIONS or not isinstance(normalisation, keras.layers.BatchNormalization):
        return False
    channels = 3 if convolution.data_format == "channels_last" else 1
    linear = convolution.activation is keras.activations.linear
    return linear and normalisation.axis % 4 == channels and not training


def _fold(convolution: Any, normalisation: Any, pixel: bool) -> Any:
    kernel = _numbers(convolution.kernel)
    if pixel:
        # All but the kernel's centre meets padding.
        row, column = kernel.shape[0] // 2, kernel.shape[1] // 2
        kernel = kernel[row : row + 1, column : column + 1]
    scale, shift = _affine(normalisation)
    bias = _numbers(convolution.bias) if convolution.use_bias else 0.0
    options = {
        "kernel_size": kernel.shape[:2],
        "strides": convolution.strides,
        "padding": convolution.padding,
        "data_format": convolution.data_format,
        "dilation_rate": convolution.dilation_rate,
        "bias_initializer": _exactly(bias * scale + shift),
        "dtype": convolution.dtype_policy,
        "name": f"{convolution.name}_{normalisation.name}" + ("_pixel" if pixel else ""),
    }
    if isinstance(convolution, keras.layers.DepthwiseConv2D):
        multiplier = convolution.depth_multiplier
        scaled = kernel * scale.reshape(-1, multiplier)
        return keras.layers.DepthwiseConv2D(
            depth_multiplier=multiplier, depthwise_initializer=_exactly(scaled), **options
        )
    return keras.layers.Conv2D(
        convolution.filters, groups=convolution.groups, kernel_initializer=_exactly(kernel * scale), **options
    )


def _exactly(value: NDArray[np.float64]) -> Callable[..., Any]:
    """An initializer that gives ``value``."""
    return lambda shape, dtype: keras.ops.convert_to_tensor(value.reshape(shape), dtype)


def _affine(normalisation: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Scale and shift of each channel."""
    scale = 1 / np.sqrt(_numbers(normalisation.moving_variance) + normalisation.epsilon)
    if normalisation.scale:
        scale = scale * _numbers(normalisation.gamma)
    shift = -_numbers(normalisation.moving_mean) * scale
    return scale, shift + _numbers(normalisation.beta) if normalisation.center else shift


def _is_pixel(convolution: Any, inputs: Any) -> bool:
    first = 1 if convolution.data_format == "channels_last" else 2
    odd = all(side % 2 for side in convolution.kernel_size)
    return odd and convolution.padding == "same" and tuple(inputs.shape[first : first + 2]) == (1, 1)


def _numbers(variable: Any) -> NDArray[np.float64]:
    return np.asarray(keras.ops.convert_to_numpy(variable), np.float64)
