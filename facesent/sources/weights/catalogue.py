"""Pretrained backbones: where each comes from, what pins it, and the settings that go with it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from facesent.core.errors import FacesentError
from facesent.model.settings import Model


class PackageError(FacesentError):
    """A package cannot be had, or is not the one that was pinned."""


@dataclass(frozen=True)
class Package:
    """A tarball in npm's registry."""

    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name} {self.version} (npm)"


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
        members: of the package: a TensorFlow.js model, or its manifest of weights alone, and its binary file.
        trained_on: the training data, which may have terms of its own.
        licence: as the package states it.
        model: ``model.name`` of the backbone that takes the weights.
        scaling: ``model.scaling`` that the weights expect.
        last_layer: ``model.last_layer`` that transfers best to expressions; empty: all of it.
        sha256: of the weights file that is made of it, where something depends on these very weights.
    """

    package: Package
    members: tuple[Member, ...]
    trained_on: str
    licence: str
    model: str
    scaling: Literal["tf", "torch", "caffe", "face_api"]
    last_layer: str = ""
    sha256: str = ""


_HUMAN = Package("@vladmandic/human", "3.3.6")

SOURCES: Mapping[str, Source] = {
    "vggface2_mobilenet": Source(
        package=_HUMAN,
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
        trained_on="faces: VGGFace2 identities, then age and gender (HSE-FaceRes)",
        licence="MIT",
        model="mobilenet",
        scaling="caffe",
        last_layer="conv_pw_11_relu",
        sha256="3d6296c515b852a08ff75acab342de12b8e1de85051afb4aa48e8efeca25c0e2",
    ),
    "face_expression": Source(
        package=Package("@vladmandic/face-api", "1.7.15"),
        members=(
            Member(
                "package/model/face_expression_model-weights_manifest.json",
                6_980,
                "5b349c17c7836da506e03422cd6461c74085d8bb2713ad4114647dc5d28174c8",
            ),
            Member(
                "package/model/face_expression_model.bin",
                329_468,
                "9a9840f2cf1f4c7eab95f197512569345c00d2426754d4608b92af30e0300f3d",
            ),
        ),
        trained_on="faces: expressions; the images are not known",
        licence="MIT",
        model="expression_net",
        scaling="face_api",
        sha256="31bc113349af04e284dc5a3354772d7412235cfa167f3da950a2c6d4dd972c45",
    ),
    "fer2013_xception": Source(
        package=_HUMAN,
        members=(
            Member(
                "package/models/emotion.json",
                17_980,
                "56f7e557eb0c863a8b9ab04ac7ccba756e93bf2c27dce135ef0e8712b80b7ad2",
            ),
            Member(
                "package/models/emotion.bin",
                820_516,
                "927ac8224f356ab1e68c2bcfbfa07b0c8567047d1bcf817388ba6e38214c4987",
            ),
        ),
        trained_on="faces: expressions of FER2013 (Arriaga et al. 2017)",
        licence="MIT",
        model="fer_xception",
        scaling="tf",
    ),
}


def needed(settings: Model, root: Path) -> list[str]:
    """The commands that make the weights files which the settings name and a project in ``root`` lacks."""
    files = [Path(trunk.weights) for trunk in settings.trunks if trunk.names_file]
    names = [file.name.partition(".")[0] for file in files if not (root / file).is_file()]
    return [f"facesent weights {name}" if name in SOURCES else "facesent weights" for name in names]


def source_named(name: str) -> Source:
    """The source of that name.

    Raises:
        PackageError: there is none.
    """
    if name not in SOURCES:
        raise PackageError(f"Expected one of the weights {', '.join(SOURCES)}. Received: {name}")
    return SOURCES[name]
