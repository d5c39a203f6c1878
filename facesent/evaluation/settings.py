"""Measuring, judging and answering."""

from collections.abc import Collection
from typing import Annotated, Literal

from pydantic import Field

from facesent.section import Below1, Fraction, Positive, Section, Seed

# Share of the images by which a known set may be larger or smaller than it was.
_FEW = 0.01


class Reference(Section):
    """What another model reached on a known set of images.

    Attributes:
        name: of the model and the images, as reports say it.
        classes: of the images.
        images: how many there are, readable or not.
        accuracy: in percent, of the splits for which it is known.
    """

    name: str
    classes: list[str]
    images: Positive
    accuracy: dict[Literal["train", "val", "test"], Annotated[float, Field(ge=0, le=100)]]

    def is_of(self, labels: Collection[str], images: int) -> bool:
        """Whether images of these classes, so many in all, are the set: a few may have been left out or added."""
        return set(labels) == set(self.classes) and abs(images / self.images - 1) < _FEW


class Evaluate(Section):
    """Measuring on the test split.

    Attributes:
        bootstrap_resamples: of what calibration would be by chance alone.
        smiling_class: the class that is told by its mouth; None, or none of the classes: no image is scored with its
            mouth covered.
        reference: whose accuracy stands beside the model's where the images are its own.
        slices: columns of metadata.csv by whose values the test images are cut.
    """

    batch_size: Positive
    confidence_level: Fraction
    bootstrap_resamples: Annotated[int, Field(ge=100)]
    calibration_bins: Positive
    seed: Seed
    smiling_class: str | None = None
    reference: Reference | None = None
    slices: list[str] = Field(default_factory=list)


class Serve(Section):
    """How a served model answers.

    Attributes:
        min_confidence: below it the answer is "uncertain"; 0 for always an answer.
        unlike: whether an answer says that its image is unlike those of the training, and is "uncertain" then. The
            version keeps embeddings of the training images for that, by which a person may be known.
        unlike_neighbours: the nearest training images, to which the distance counts.
    """

    min_confidence: Below1
    unlike: Literal["none", "mark", "uncertain"] = "none"
    unlike_neighbours: Positive = 5


class Reporting(Section):
    """What people are shown.

    Attributes:
        no_thumbnails: classes of which no picture is shown.
        contact: whom to write to about the model; on the model card.
    """

    no_thumbnails: list[str]
    contact: str
