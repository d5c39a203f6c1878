"""Section ``watch`` of ``params.yaml``."""

from typing import Annotated

from pydantic import Field

from facesent.section import Positive, Section, Seed


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
