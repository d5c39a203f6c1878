"""Measuring, judging and answering."""

from typing import Annotated

from pydantic import Field

from facesent.params.section import Below1, Fraction, Positive, Section, Share


class Evaluate(Section):
    """Measuring on the test split."""

    batch_size: Positive
    confidence_level: Fraction
    bootstrap_resamples: Annotated[int, Field(ge=100)]
    calibration_bins: Positive
    seed: int


class Gate(Section):
    """What a candidate must reach before it is served."""

    min_accuracy: Share
    min_class_recall: Share
    min_gain: Below1


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
    """

    no_thumbnails: list[str]
