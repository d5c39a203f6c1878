"""A trained network as a function, as quick as the backend can make it."""

from collections.abc import Callable
from functools import cache
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from facesent.core.console import Progress
from facesent.images.reading import Pixels
from facesent.model.backend import keras
from facesent.model.layers import Convolution3x3

Probabilities = NDArray[np.float32]
Forward = Callable[[Pixels], Probabilities]


def in_batches(
    forward: Forward, images: Pixels, batch_size: int, progress: Progress | None = None
) -> list[Probabilities]:
    """What ``forward`` gives for ``batch_size`` images at a time, batch by batch.

    Args:
        forward: of a network.
        images: ``(n, size, size, 3)``.
        batch_size: how many at a time.
        progress: called with the images done and their number.
    """
    given = []
    for start in range(0, len(images), batch_size):
        given.append(forward(images[start : start + batch_size]))
        if progress:
            progress(min(start + batch_size, len(images)), len(images))
    return given


def compile_forward(model: keras.Model) -> Forward:
    """Make the function from uint8 ``(n, size, size, 3)`` to ``(n, classes)`` that ``model`` is in inference.

    It holds copies of the weights: a later training of ``model`` does not change it. The results are those of
    ``model`` up to rounding, whatever the batch that an image is in.
    """
    folded = fold_batch_norm(model)
    if keras.backend.backend() == "tensorflow":
        return _frozen(folded)
    return lambda images: np.asarray(keras.ops.convert_to_numpy(folded(images, training=False)))


def _frozen(model: keras.Model) -> Forward:
    """One graph for every batch size, with the weights as constants.

    For constants oneDNN keeps the layout it convolves with; variables it lays out anew at each call, which takes
    longer than the convolutions of a single image.
    """
    import tensorflow as tf

    trained, others = (
        [keras.ops.convert_to_numpy(variable) for variable in variables]
        for variables in (model.trainable_variables, model.non_trainable_variables)
    )
    with tf.Graph().as_default() as graph:
        images = tf.compat.v1.placeholder(tf.uint8, (None, *model.input_shape[1:]))
        outputs, _ = model.stateless_call(trained, others, images, training=False)
    config = tf.compat.v1.ConfigProto()
    # Rewriting copies the constants again and again, seconds in all, and finds nothing to gain in such a graph. Only
    # a session can be told so by itself; for a tf.function it is a setting of the whole process.
    config.graph_options.rewrite_options.disable_meta_optimizer = True
    session = tf.compat.v1.Session(graph=graph, config=config)
    return cast(Forward, session.make_callable(outputs, [images]))


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
    kernel = keras.ops.convert_to_numpy(convolution.kernel)
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
        scaled = _scaled(kernel, scale.reshape(-1, multiplier))
        return keras.layers.DepthwiseConv2D(
            depth_multiplier=multiplier, depthwise_initializer=_exactly(scaled), **options
        )
    return keras.layers.Conv2D(
        convolution.filters, groups=convolution.groups, kernel_initializer=_exactly(_scaled(kernel, scale)), **options
    )


def _scaled(kernel: NDArray[Any], scale: NDArray[np.float64]) -> NDArray[Any]:
    """The product, rounded once; without a kernel in float64, which may be a hundred megabytes."""
    product = np.empty_like(kernel)
    np.multiply(kernel, scale, out=product, dtype=np.float64, casting="same_kind")
    return product


def _exactly(value: NDArray[Any]) -> Callable[..., Any]:
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
