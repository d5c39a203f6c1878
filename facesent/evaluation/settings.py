"""Measuring, judging and answering."""

from typing import Annotated

from pydantic import Field

from facesent.section import Below1, Fraction, Positive, Section


class Evaluate(Section):
    """Measuring on the test split."""

    batch_size: Positive
    confidence_level: Fraction
    bootstrap_resamples: Annotated[int, Field(ge=100)]
    calibration_bins: Positive
    seed: int


class Serve(Section):
    """How a served model answers.

    Attributes:
        min_confidence: below it the answer is "uncertain"; 0 for always an answer.
    """

    min_confidence: Below1


class Report(Section):
    """What people are shown.

    Attributes:
        no_thumbnails: classes of which no picture is shown.
        contact: whom to write to about the model; on the model card.
    """

    no_thumbnails: list[str]
    contact: str
