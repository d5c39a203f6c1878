"""Section ``gate`` of ``params.yaml``."""

from typing import Annotated

from pydantic import Field

from facesent.section import AboveZero, Fraction, Positive, Section, Seed, Share


class Gate(Section):
    """What a candidate must reach before it is served; None asks for nothing.

    Attributes:
        min_accuracy: floor on the test images.
        min_macro_recall: the same of the mean recall of the classes.
        min_class_recall: the same of the worst class's recall.
        max_ece: ceiling of the expected calibration error.
        max_slice_gap: ceiling of the difference in accuracy between two values of a column of ``evaluate.slices``.
        min_unseen: people (images, where nobody is known) of each class that must be left to compare on where the
            candidate or the champion has seen some of the test images, or their people, in training.
        min_gain: what the lower end of the interval of the gain in macro recall over the champion must exceed; below 0
            it is the loss that is put up with.
        retrain_margin: the loss of macro recall that is put up with, by the lower end of its interval, to replace a
            champion that knows somebody who was forgotten.
        confidence_level: of the intervals of paired differences and of the gaps between slices.
        bootstrap_resamples: of the same.
        seed: of the same.
        max_latency_ms: 95th percentile of the time that the real server takes for a photo.
        max_size_mb: of the files of a version, in 10^6 bytes.
        max_memory_mb: resident memory of the real server after it answered, in 10^6 bytes.
        approval: whether a person has to agree before a candidate that passed is served.
    """

    min_accuracy: Share | None
    min_macro_recall: Share | None
    min_class_recall: Share | None
    max_ece: Share | None
    max_slice_gap: Share | None = None
    min_gain: Annotated[float, Field(gt=-1, lt=1)] | None
    min_unseen: Positive | None = 6
    retrain_margin: Fraction = 0.1
    confidence_level: Fraction
    bootstrap_resamples: Annotated[int, Field(ge=100)]
    seed: Seed
    max_latency_ms: AboveZero | None
    max_size_mb: AboveZero | None
    max_memory_mb: AboveZero | None
    approval: bool
