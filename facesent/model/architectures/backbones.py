"""Networks that others have trained before: Keras's own, by name."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from facesent.core.errors import FacesentError
from facesent.model.architectures.expression_net import expression_net
from facesent.model.architectures.fer_xception import fer_xception
from facesent.model.backend import keras
from facesent.model.layers import ImageNetScaling
from facesent.model.settings import Model, Trunk


@dataclass(frozen=True)
class Backbone:
    """Feature maps from images.

    Attributes:
        network: of ``keras.applications``, or with the same arguments.
        scaling: what Keras's own weights expect of the input, or those that there are.
        options: further arguments of ``network``.
    """

    network: Callable[..., keras.Model]
    scaling: Literal["tf", "torch", "caffe", "face_api"]
    options: Mapping[str, bool] = field(default_factory=dict)


def _application(maps: Callable[[Any], Any]) -> Callable[..., keras.Model]:
    """A network of ours, from images to maps, with the arguments of ``keras.applications``."""

    def network(
        *,
        include_top: bool = False,
        weights: None = None,
        input_tensor: Any = None,
        input_shape: tuple[int, int, int] | None = None,
    ) -> keras.Model:
        if include_top or weights:
            raise ValueError(
                f"Expected no classifier and no weights of Keras's own. Received: {include_top}, {weights}"
            )
        images = keras.Input(input_shape) if input_tensor is None else input_tensor
        return keras.Model(keras.utils.get_source_inputs(images)[0], maps(images))

    return network


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
    "expression_net": Backbone(_application(expression_net), "face_api"),
    "fer_xception": Backbone(_application(fer_xception), "tf"),
}


# How the names of the layers begin that end a backbone each.
END = "head_average"


def features(images: Any, settings: Model) -> Any:
    """The backbones' maps, averaged and side by side, with dropout: ``(n, channels)``.

    Raises:
        FacesentError: there is no layer ``settings.last_layer``.
    """
    vectors = [_features_of(images, *each) for each in ends(settings)]
    if settings.others:
        # Whole vectors of an image, so that the head learns to answer by either.
        vectors = [
            keras.layers.Dropout(settings.drop_path, noise_shape=(None, 1), name=f"head_drop_path_{number}")(vector)
            for number, vector in enumerate(vectors, 1)
        ]
        vectors = [keras.layers.Concatenate(name="head_features")(vectors)]
    return keras.layers.Dropout(settings.dropout, name="head_dropout")(vectors[0])


def ends(settings: Model) -> Iterator[tuple[Trunk, str]]:
    """Each backbone and the layer that ends it."""
    for number, trunk in enumerate(settings.trunks, 1):
        yield trunk, END if number == 1 else f"{END}_{number}"


def _features_of(images: Any, trunk: Trunk, end: str) -> Any:
    """One backbone's, up to a layer ``end``: ``(n, channels)``."""
    suffix = end.removeprefix(END)
    scaling = BACKBONES[trunk.name].scaling if trunk.scaling == "auto" else trunk.scaling
    # In float32 always: bfloat16 would round neighbouring shades to one.
    x = ImageNetScaling(scaling, dtype="float32", name=f"rescale{suffix}")(images)
    x = _at_side(x, trunk.image_size, suffix)
    # Into this network's own graph, no model inside a model: batch norm can be folded and layers frozen by name.
    maps = _maps(trunk, _network(trunk, input_tensor=x))
    return keras.layers.GlobalAveragePooling2D(name=end)(maps)


def _at_side(images: Any, side: int, suffix: str) -> Any:
    """Bilinear to a whole multiple of the side, then means of its cells: no pixel of a larger image is skipped."""
    if images.shape[1] == side:
        return images
    times = max(1, images.shape[1] // side)
    images = keras.layers.Resizing(side * times, side * times, dtype="float32", name=f"resize{suffix}")(images)
    if times == 1:
        return images
    return keras.layers.AveragePooling2D(times, dtype="float32", name=f"shrink{suffix}")(images)


def untrained(settings: Trunk, weights: str | None = None) -> keras.Model:
    """The whole backbone by itself, from scaled images to maps.

    Args:
        settings: its name and the image size.
        weights: None, or ``imagenet`` to have Keras fetch its own.
    """
    return _network(settings, weights=weights, input_shape=(settings.image_size, settings.image_size, 3))


def up_to_last_layer(settings: Trunk, backbone: keras.Model) -> keras.Model:
    """The part of a backbone that ``settings.last_layer`` ends."""
    return keras.Model(backbone.input, _maps(settings, backbone))


def _network(settings: Trunk, **options: Any) -> keras.Model:
    backbone = BACKBONES[settings.name]
    network: keras.Model = backbone.network(include_top=False, **{"weights": None, **backbone.options, **options})
    return network


def _maps(settings: Trunk, backbone: keras.Model) -> Any:
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
