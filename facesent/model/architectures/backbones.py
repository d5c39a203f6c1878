"""Networks that others have trained before: Keras's own, by name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from facesent.core.errors import FacesentError
from facesent.model.backend import keras
from facesent.model.layers import ImageNetScaling
from facesent.model.settings import Model


@dataclass(frozen=True)
class Backbone:
    """Feature maps from images.

    Attributes:
        network: of ``keras.applications``, or with the same arguments.
        scaling: what Keras's own weights expect of the input.
        options: further arguments of ``network``.
    """

    network: Callable[..., keras.Model]
    scaling: Literal["tf", "torch", "caffe"]
    options: Mapping[str, bool] = field(default_factory=dict)


# Keras's own scaling inside a network holds tensors that no graph takes.
_UNSCALED = {"include_preprocessing": False}

BACKBONES = {
    "vgg16": Backbone(keras.applications.VGG16, "caffe"),
    "resnet50": Backbone(keras.applications.ResNet50, "caffe"),
    "efficientnet_v2_b0": Backbone(keras.applications.EfficientNetV2B0, "torch", _UNSCALED),
    "mobilenet": Backbone(keras.applications.MobileNet, "tf"),
    "mobilenet_v2": Backbone(keras.applications.MobileNetV2, "tf"),
    "mobilenet_v3": Backbone(keras.applications.MobileNetV3Large, "tf", _UNSCALED),
    "convnext_tiny": Backbone(keras.applications.ConvNeXtTiny, "torch", _UNSCALED),
}


def features(images: Any, settings: Model) -> Any:
    """The backbone's maps, averaged, with dropout: ``(n, channels)``.

    Raises:
        FacesentError: there is no layer ``settings.last_layer``.
    """
    scaling = BACKBONES[settings.name].scaling if settings.scaling == "auto" else settings.scaling
    # In float32 always: bfloat16 would round neighbouring shades to one.
    x = ImageNetScaling(scaling, dtype="float32", name="rescale")(images)
    # Into this network's own graph, no model inside a model: batch norm can be folded and layers frozen by name.
    maps = _maps(settings, _network(settings, input_tensor=x))
    x = keras.layers.GlobalAveragePooling2D(name="head_average")(maps)
    return keras.layers.Dropout(settings.dropout, name="head_dropout")(x)


def untrained(settings: Model, weights: str | None = None) -> keras.Model:
    """The whole backbone by itself, from scaled images to maps.

    Args:
        settings: its name and the image size.
        weights: None, or ``imagenet`` to have Keras fetch its own.
    """
    return _network(settings, weights=weights, input_shape=(settings.image_size, settings.image_size, 3))


def up_to_last_layer(settings: Model, backbone: keras.Model) -> keras.Model:
    """The part of a backbone that ``settings.last_layer`` ends."""
    return keras.Model(backbone.input, _maps(settings, backbone))


def _network(settings: Model, **options: Any) -> keras.Model:
    backbone = BACKBONES[settings.name]
    network: keras.Model = backbone.network(include_top=False, **{"weights": None, **backbone.options, **options})
    return network


def _maps(settings: Model, backbone: keras.Model) -> Any:
    if not settings.last_layer:
        return backbone.output
    try:
        return backbone.get_layer(settings.last_layer).output
    except ValueError:
        names = [layer.name for layer in backbone.layers if len(layer.output.shape) == 4][-12:]
        raise FacesentError(
            f"Expected a layer of {settings.name} in model.last_layer, such as {', '.join(names)}. "
            f"Received: {settings.last_layer}"
        ) from None
