"""The network."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from facesent.section import Below1, Fraction, Section, Sha256

Name = Literal[
    "reference_cnn", "vgg16", "resnet50", "efficientnet_v2_b0", "mobilenet", "mobilenet_v2", "mobilenet_v3",
    "convnext_tiny", "expression_net", "fer_xception",
]  # fmt: skip


class Trunk(Section):
    """A network up to its features, and what it starts from.

    Attributes:
        name: of the architecture.
        image_size: side of the square input in pixels.
        weights: of the backbone: ``none`` (random), ``imagenet`` (fetched by Keras), or a Keras weights file.
        weights_sha256: what the file's bytes must hash to; empty where there is none.
        scaling: of the input as the weights expect it, named as in ``keras.applications``: ``tf`` (-1..1), ``torch``
            (less ImageNet's mean, by its deviation), ``caffe`` (blue first, less the mean); ``face_api``: less a mean,
            by 255; ``auto``: as the weights that are usual for it.
        last_layer: of the backbone, whose maps go into the head; empty: all of it.
    """

    name: Name
    image_size: Annotated[int, Field(ge=16, le=1024)]
    weights: str = "none"
    weights_sha256: Sha256 = ""
    scaling: Literal["auto", "tf", "torch", "caffe", "face_api"] = "auto"
    last_layer: str = ""

    @model_validator(mode="after")
    def _weights_fit(self) -> "Trunk":
        if self.name == "reference_cnn" and self.weights != "none":
            raise ValueError(
                f"reference_cnn has no pretrained weights: expected weights: none. Received: {self.weights}"
            )
        if self.names_file and not self.weights_sha256:
            raise ValueError(
                f"the content of a file may change: expected weights_sha256, as printed by `sha256sum {self.weights}`. "
                "Received: none"
            )
        return self

    @property
    def names_file(self) -> bool:
        """Whether ``weights`` is the path of a file."""
        return self.weights not in ("none", "imagenet")


class Model(Trunk):
    """The network.

    Attributes:
        attention: after each block of ``reference_cnn``.
        dropout: share of the units before a dense layer.
        batch_norm_momentum: of ``reference_cnn``'s moving averages.
        flip_average: the answer is the mean over the image and its mirror image, at twice the time.
        others: further backbones, whose features the head takes too; each sees the same image at its own size.
        drop_path: of several backbones, in training: the share of the images of which the head doesn't see one's
            features, drawn for each.
    """

    attention: Literal["none", "squeeze_excitation", "cbam"] = "none"
    dropout: Below1
    batch_norm_momentum: Fraction
    flip_average: bool = False
    others: tuple[Trunk, ...] = ()
    drop_path: Below1 = 0.0

    @property
    def trunks(self) -> "list[Trunk]":
        """All backbones, this one first."""
        return [self, *self.others]

    @property
    def architecture(self) -> str:
        """Of all backbones, such as ``mobilenet-expression_net``."""
        return "-".join(trunk.name for trunk in self.trunks)

    @model_validator(mode="after")
    def _fits_together(self) -> "Model":
        if self.name != "reference_cnn" and self.attention != "none":
            raise ValueError(f"attention is an option of reference_cnn. Received: {self.attention} for {self.name}")
        names = [trunk.name for trunk in self.trunks]
        if self.others and ("reference_cnn" in names or len(set(names)) < len(names)):
            raise ValueError(f"expected different backbones in name and others. Received: {', '.join(names)}")
        return self


Precision = Literal["auto", "float32", "bfloat16"]
