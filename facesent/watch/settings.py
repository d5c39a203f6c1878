"""Section ``watch`` of ``params.yaml``."""

from typing import Annotated

from pydantic import Field, model_validator

from facesent.section import Positive, Section, Seed

LEAST_BLOCKS = 4
"""Fewer blocks of hours say too little of what a baseline does by itself."""


class Watch(Section):
    """When the alarm of ``facesent watch`` goes off.

    Attributes:
        baseline_hours: hours with answers that a baseline needs at least.
        quiet_hours: hours between two false alarms, in the mean, for nine baselines of ten.
        block_hours: hours that are drawn together, as the hours of a day are not alike.
        resamples: baselines that are drawn to find the threshold.
        seed: of them.
        gain: of accuracy on photos from after a change, that the gate is to see: it says how many labels a run waits
            for.
    """

    baseline_hours: Annotated[int, Field(ge=48)]
    quiet_hours: Annotated[int, Field(ge=24)]
    block_hours: Positive
    resamples: Annotated[int, Field(ge=20)]
    seed: Seed
    gain: Annotated[float, Field(gt=0, lt=1)] = 0.15

    @model_validator(mode="after")
    def _has_blocks(self) -> "Watch":
        least = LEAST_BLOCKS * self.block_hours
        if self.baseline_hours < least:
            raise ValueError(
                f"expected baseline_hours of at least {LEAST_BLOCKS} times block_hours, {least}. "
                f"Received: {self.baseline_hours}"
            )
        return self
