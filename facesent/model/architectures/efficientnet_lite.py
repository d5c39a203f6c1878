"""EfficientNet-Lite0: EfficientNet-B0 without squeeze-excitation and with ReLU6, made for quick inference.

Source: Tan and Le, EfficientNet, 2019, arXiv:1905.11946; the lite variants are TensorFlow's, 2020.
"""

from dataclasses import dataclass
from typing import Any

from facesent.model.backend import keras

_STEM, _TOP = 32, 1280


@dataclass(frozen=True)
class _Stage:
    repeats: int
    kernel: int
    stride: int
    expansion: int
    filters: int


_STAGES = (
    _Stage(1, 3, 1, 1, 16),
    _Stage(2, 3, 2, 6, 24),
    _Stage(2, 5, 2, 6, 40),
    _Stage(3, 3, 2, 6, 80),
    _Stage(3, 5, 1, 6, 112),
    _Stage(4, 5, 2, 6, 192),
    _Stage(1, 3, 1, 6, 320),
)


def efficientnet_lite0(
    *, include_top: bool, weights: str | None, input_tensor: Any = None, input_shape: tuple[int, int, int] | None = None
) -> keras.Model:
    """Build the feature maps' network; the arguments are those of ``keras.applications``.

    Args:
        include_top: False; there is no classifier.
        weights: None; Keras has none to fetch.
        input_tensor: images in -1..1, or ``input_shape``.
        input_shape: of them.
    """
    if include_top or weights:
        raise ValueError(f"Expected no top and no weights. Received: include_top={include_top}, weights={weights!r}")
    inputs = keras.Input(input_shape) if input_tensor is None else input_tensor
    x = _normalised(keras.layers.Conv2D(_STEM, 3, 2, padding="same", use_bias=False, name="stem"), inputs, relu=True)
    number = 0
    for stage in _STAGES:
        for repeat in range(stage.repeats):
            x = _block(x, stage, stage.stride if repeat == 0 else 1, f"block_{number}")
            number += 1
    x = _normalised(keras.layers.Conv2D(_TOP, 1, use_bias=False, name="top"), x, relu=True)
    return keras.Model(keras.utils.get_source_inputs(x)[0], x, name="efficientnet_lite0")


def _block(inputs: Any, stage: _Stage, stride: int, name: str) -> Any:
    """Expand, filter each channel, project; with a short cut where the shapes allow one."""
    x = inputs
    if stage.expansion != 1:
        wider = inputs.shape[-1] * stage.expansion
        x = _normalised(keras.layers.Conv2D(wider, 1, use_bias=False, name=f"{name}_expand"), x, relu=True)
    depthwise = keras.layers.DepthwiseConv2D(
        stage.kernel, stride, padding="same", use_bias=False, name=f"{name}_depthwise"
    )
    x = _normalised(depthwise, x, relu=True)
    x = _normalised(keras.layers.Conv2D(stage.filters, 1, use_bias=False, name=f"{name}_project"), x, relu=False)
    same = stride == 1 and inputs.shape[-1] == stage.filters
    return keras.layers.Add(name=f"{name}_add")([inputs, x]) if same else x


def _normalised(convolution: Any, x: Any, *, relu: bool) -> Any:
    x = keras.layers.BatchNormalization(momentum=0.99, name=f"{convolution.name}_bn")(convolution(x))
    return keras.layers.ReLU(6, name=f"{convolution.name}_relu")(x) if relu else x
