"""Which images are usable, and which of them a model is trained, chosen and tested on."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from facesent.images.limits import MAX_PIXELS
from facesent.section import Fraction, Positive, Section, Seed, Share


class Validate(Section):
    """Bounds of the Great Expectations suite over the manifest, and the classes that are left out."""

    min_images_per_class: Positive
    min_side: Positive
    max_side: Positive
    max_pixels: Annotated[int, Field(gt=0, le=MAX_PIXELS)]
    max_aspect_ratio: Annotated[float, Field(ge=1)]
    max_imbalance: Annotated[float, Field(ge=1)]
    max_duplicates: Share
    max_quarantined: Share
    min_brightness: Annotated[float, Field(ge=0, le=255)]
    max_brightness: Annotated[float, Field(ge=0, le=255)]
    max_extreme_brightness: Share
    exclude: list[str] = Field(default_factory=list)


class Split(Section):
    """Shares of the validation and the test split; the rest is for training."""

    val: Fraction
    test: Fraction
    seed: Seed
    near_duplicate_distance: Annotated[int, Field(ge=0, le=16)]
    torn: Literal["leave_out", "keep"] = "leave_out"

    @model_validator(mode="after")
    def _leaves_training_images(self) -> "Split":
        if self.val + self.test >= 1:
            raise ValueError(f"val + test must leave images for training. Received: {self.val} + {self.test}")
        return self
