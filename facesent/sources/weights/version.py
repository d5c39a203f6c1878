"""The backbones of a registered version, from which a further training can start."""

from collections.abc import Iterator

from facesent.core.errors import FacesentError
from facesent.model.architectures.backbones import ends, untrained, up_to_last_layer
from facesent.model.backend import keras
from facesent.model.settings import Model, Trunk
from facesent.model.storage import load_model
from facesent.model.weights import backbone_variables
from facesent.registry.versions import Version, version_files


def backbones_of(version: Version, settings: Model) -> Iterator[tuple[Trunk, keras.Model]]:
    """Each backbone of a version as `facesent.sources.weights.file.save_weights` takes it; without the head.

    Args:
        version: the registered one.
        settings: of its network.

    Raises:
        FacesentError: the version has other layers, or its files cannot be had.
    """
    if settings.name == "reference_cnn":
        raise FacesentError(
            "Expected a network with a backbone in model.name of params.yaml, as model.weights is of a backbone. "
            "Received: reference_cnn, which starts from random weights."
        )
    with version_files(version.number) as (path, _):
        network = load_model(path)
    known = {layer.name for layer in network.layers}
    if unknown := [end for _, end in ends(settings) if end not in known]:
        raise _other_layers(version, settings, f"{len(unknown)} of {len(settings.trunks)} backbones are missing")
    for trunk, end in ends(settings):
        yield trunk, _backbone(version, settings, trunk, backbone_variables(network, end))


def _backbone(version: Version, settings: Model, trunk: Trunk, values: list[keras.Variable]) -> keras.Model:
    backbone = untrained(trunk)
    for variable in backbone.variables:
        # What lies behind last_layer is read by nobody, and must not differ from file to file.
        variable.assign(keras.ops.zeros_like(variable))
    variables = up_to_last_layer(trunk, backbone).variables
    if [tuple(variable.shape) for variable in variables] != [tuple(value.shape) for value in values]:
        raise _other_layers(version, settings, f"other layers than {trunk.name} has")
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
    return backbone


def _other_layers(version: Version, settings: Model, received: str) -> FacesentError:
    names = ", ".join(trunk.name for trunk in settings.trunks)
    return FacesentError(
        f"Expected the network of version {version.number} to be the one of model in params.yaml ({names}). Received: "
        f"{received}. Set model as it was: facesent lineage {version.number} shows it."
    )
