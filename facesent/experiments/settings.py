"""More than one training: folds and sweeps."""

from typing import Annotated, Any, Literal, get_args

from pydantic import Field, model_validator

from facesent.section import Positive, Section, Seed

Metric = Literal["val_accuracy", "val_loss"]
"""What a sweep may optimise."""
METRICS: tuple[Metric, ...] = get_args(Metric)


class CrossValidation(Section):
    """Stratified folds over groups: each image is held out once.

    Attributes:
        folds: at least three: one is scored, one decides when to stop, the others are trained on.
        seed: of the folds.
    """

    folds: Annotated[int, Field(ge=3)]
    seed: Seed


class Range(Section):
    """Numbers between ``low`` and ``high``; ``log``: their logarithm is drawn evenly."""

    low: float
    high: float
    log: bool = False

    @model_validator(mode="after")
    def _is_range(self) -> "Range":
        if self.low >= self.high or (self.log and self.low <= 0):
            raise ValueError(f"expected low < high, and 0 < low with log. Received: {self.low} to {self.high}")
        return self


class Choice(Section):
    """One of ``choices``."""

    choices: Annotated[list[Any], Field(min_length=2)]


class Sweep(Section):
    """A search over other keys of this file.

    Attributes:
        trials: trainings in all.
        warmup_epochs: epochs of a trial before it can be pruned.
        seed: of the sampler.
        space: key, as in ``train.optimizer.learning_rate``, to what it may be.
    """

    trials: Positive
    warmup_epochs: Annotated[int, Field(ge=0)]
    seed: Seed
    space: dict[str, Range | Choice]
