"""A backbone's weights from Keras's storage or from a file, and what of a network learns when."""

import warnings
from pathlib import Path

from facesent.core.errors import FacesentError
from facesent.core.files import sha256
from facesent.model.architectures.backbones import ends, untrained, up_to_last_layer
from facesent.model.backend import keras
from facesent.model.settings import Model, Trunk

_HEAD = "head"


class WeightsError(FacesentError):
    """The weights that a training is to start from cannot be had, or do not fit."""


def load_pretrained(model: keras.Model, settings: Model) -> None:
    """Set each backbone's weights to those that the settings name; the head stays as it is.

    Raises:
        WeightsError: saying where to put a file.
    """
    for trunk, end in ends(settings):
        if trunk.weights != "none":
            source = up_to_last_layer(trunk, _from_file(trunk) if trunk.names_file else _from_keras(trunk))
            for variable, value in zip(backbone_variables(model, end), source.variables, strict=True):
                variable.assign(value)


def backbone_variables(model: keras.Model, end: str) -> list[keras.Variable]:
    """Those of all layers up to the one named ``end``, in their order, since Keras names some layers by a count."""
    return [variable for layer in _backbone(model, end) for variable in layer.variables]


def _backbone(model: keras.Model, end: str) -> list[keras.layers.Layer]:
    return list(keras.Model(model.input, model.get_layer(end).output).layers)


def freeze(model: keras.Model, settings: Model, *, head_only: bool) -> None:
    """Choose what learns: of a pretrained backbone all but its batch normalisations, or the head alone.

    A frozen batch normalisation keeps its moving statistics and normalises by them, also in training: those of a
    small dataset are worse than those that the weights were trained with.
    """
    pretrained = {
        layer.name for trunk, end in ends(settings) if trunk.weights != "none" for layer in _backbone(model, end)
    }
    for layer in model.layers:
        kept = isinstance(layer, keras.layers.BatchNormalization) and layer.name in pretrained
        layer.trainable = _in_head(layer) or not (head_only or kept)


def weights_sha256(settings: Model) -> str | None:
    """Hash of the weights file, 64 hex digits, or those of several with spaces between; None where there is none.

    Raises:
        WeightsError: one is not there, or not the one that ``weights_sha256`` describes.
    """
    return " ".join(_checked_sha256(trunk) for trunk in settings.trunks if trunk.names_file) or None


def _checked_sha256(settings: Trunk) -> str:
    path = Path(settings.weights)
    if not path.is_file():
        raise WeightsError(
            f"Expected a Keras weights file of {settings.name} in {_key(settings)}. Received: {path}, no such file. "
            "`facesent weights` lists those that it fetches; `none` trains from scratch."
        )
    found = sha256(path)
    if settings.weights_sha256 != found:
        raise WeightsError(
            f"Expected {path} with the SHA-256 {settings.weights_sha256} (model.weights_sha256). Received: {found}"
        )
    return found


def _key(settings: Trunk) -> str:
    return "model.weights" if isinstance(settings, Model) else "weights of model.others"


def _in_head(layer: keras.layers.Layer) -> bool:
    return bool(layer.name.startswith(_HEAD)) or layer.name == "probabilities"


def _from_file(settings: Trunk) -> keras.Model:
    _checked_sha256(settings)
    source = untrained(settings)
    try:
        with warnings.catch_warnings():
            # Keras only warns of layers that it leaves at random.
            warnings.simplefilter("error", UserWarning)
            source.load_weights(settings.weights)
    except (ValueError, OSError, KeyError, UserWarning) as error:
        raise WeightsError(
            f"Expected weights of {settings.name} without its classifier, as Keras saves them, in {settings.weights}. "
            f"Received: {error}"
        ) from None
    return source


def _from_keras(settings: Trunk) -> keras.Model:
    try:
        return untrained(settings, weights="imagenet")
    # Keras raises bare Exceptions for what the net refuses.
    except Exception as error:
        raise WeightsError(
            f"Expected the ImageNet weights of {settings.name} from Keras's storage or in ~/.keras/models. "
            f"Received: {error}. If it cannot be reached, put a weights file anywhere and name it in "
            "model.weights (`facesent weights --help`)."
        ) from None
