"""Where in an image a network found its answer: Grad-CAM.

Source: Selvaraju et al., Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization, 2017
(arXiv:1610.02391), with each place weighed by its own gradient (LayerCAM: Jiang et al. 2021, doi
10.1109/TIP.2021.3089943). A network for small images has maps of one pixel at its end, so the maps in use lie further
ahead, where the mean gradient of a channel, which Grad-CAM weighs by, says little about a place.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from facesent.images.reading import Pixels
from facesent.model.architectures.backbones import END
from facesent.model.backend import keras
from facesent.model.layers import CalibratedSoftmax

HeatMap = NDArray[np.float32]

# Share of the colour in a picture where the heat is 1.
_MOST_HEAT = 0.65

# Coarser maps show no place in a face.
_LEAST_SIDE = 7


class NoHeatMapError(ValueError):
    """There is no gradient to take: another backend than TensorFlow, or a network without feature maps."""


def heat_map(model: keras.Model, image: Pixels, label: int) -> HeatMap:
    """What speaks for one class in one image.

    Args:
        model: from uint8 ``(n, size, size, 3)`` to probabilities ``(n, classes)``.
        image: ``(size, size, 3)``.
        label: index of the class.

    Returns:
        ``(size, size)``, 0..1; 1 where most speaks for the class, 0 everywhere if nothing does.

    Raises:
        NoHeatMapError: the backend is not TensorFlow, or the network has no feature maps.
    """
    return np.asarray(heat_maps(model, image[np.newaxis], np.array([label]))[0])


def heat_maps(model: keras.Model, images: Pixels, labels: NDArray[np.int64]) -> HeatMap:
    """``heat_map`` for ``n`` images ``(n, size, size, 3)`` and one class each: ``(n, size, size)``."""
    if keras.backend.backend() != "tensorflow":
        raise NoHeatMapError(f"Expected Keras's backend tensorflow. Received: {keras.backend.backend()}")
    if not len(images):
        return np.empty(images.shape[:3], np.float32)
    heat = np.sum([_heat(*each, images.shape) for each in _maps_and_gradients(model, images, labels)], axis=0)
    return np.stack([_scaled(each) for each in heat])


def _heat(maps: HeatMap, gradients: HeatMap, shape: tuple[int, ...]) -> HeatMap:
    """Of one backbone, for images of this shape: a sum over a region is what the region adds to the logits."""
    count, size = shape[:2]
    heat = np.maximum(np.maximum(gradients, 0) * maps, 0).sum(axis=-1)
    if len(heat) == 2 * count:
        # The network looked at mirror images too, which are behind the images.
        heat = heat[:count] + heat[count:, :, ::-1]
    cells = heat[0].size
    return np.stack([cv2.resize(each * cells, (size, size), interpolation=cv2.INTER_CUBIC) for each in heat])


def over(image: Pixels, heat: HeatMap) -> Pixels:
    """Heat ``(m, m)``, 0..1, in colours over the image ``(side, side, 3)``, which turns grey."""
    grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB).astype(np.float32)
    levels = np.clip(cv2.resize(heat, grey.shape[1::-1], interpolation=cv2.INTER_LINEAR), 0, 1)
    colour = _palette()[np.rint(levels * 255).astype(np.uint8)]
    share = (_MOST_HEAT * np.sqrt(levels))[..., np.newaxis]
    return np.asarray(np.rint(grey * (1 - share) + colour * share), np.uint8)


def feature_layers(model: keras.Model) -> list[Any]:
    """Of each backbone the last layer with feature maps fine enough to show a place.

    Raises:
        NoHeatMapError: no layer after the first convolution has maps.
    """
    ends = [layer.output for layer in model.layers if layer.name.startswith(END)]
    return [_feature_layer(keras.Model(model.inputs[0], end)) for end in ends] or [_feature_layer(model)]


def _feature_layer(model: keras.Model) -> Any:
    learnt, found = False, None
    for layer in model.layers:
        learnt = learnt or bool(layer.weights)
        shape = layer.output.shape
        if learnt and len(shape) == 4 and (found is None or min(shape[1:3]) >= _LEAST_SIDE):
            found = layer
    if found is None:
        raise NoHeatMapError(f"Expected a network with convolutions. Received: {model.name}")
    return found


def _maps_and_gradients(
    model: keras.Model, images: Pixels, labels: NDArray[np.int64]
) -> Iterator[tuple[HeatMap, HeatMap]]:
    """Each backbone's maps ``(n, height, width, channels)``, and how the class's logit rises with each value."""
    import tensorflow as tf

    last = model.layers[-1]
    # Of probabilities the gradient vanishes where the network is sure.
    scores = last.input if isinstance(last, CalibratedSoftmax) else last.output
    network = keras.Model(model.inputs[0], [[layer.output for layer in feature_layers(model)], scores])
    # Few images, and the same bits each time, which gradients on a GPU do not promise.
    with tf.device("CPU"), tf.GradientTape() as tape:
        # Layers that were frozen in training are not watched by themselves.
        tape.watch([variable.value for variable in model.weights])
        maps, scored = network(images, training=False)
        chosen = tf.gather(scored, labels, axis=1, batch_dims=1)
    for each, gradient in zip(maps, tape.gradient(chosen, maps), strict=True):
        yield tf.cast(each, tf.float32).numpy(), tf.cast(gradient, tf.float32).numpy()


def _scaled(heat: HeatMap) -> HeatMap:
    above = np.maximum(heat, 0)
    most = float(above.max())
    return np.asarray(above / most if most else above, np.float32)


@cache
def _palette() -> NDArray[np.float32]:
    from matplotlib import colormaps

    return np.asarray(colormaps["inferno"](np.arange(256))[:, :3] * 255, np.float32)
