"""The settings of one run: typed, frozen, read from ``params.yaml``."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from facesent.errors import FacesentError

Share = Annotated[float, Field(ge=0, le=1)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Positive = Annotated[int, Field(gt=0)]
Monitor = Literal["val_loss", "val_accuracy"]
Precision = Literal["auto", "float32", "bfloat16"]


class ParamsError(FacesentError):
    """``params.yaml`` is missing, is not YAML, or holds a key or a value that is not understood."""


class Section(BaseModel):
    """A group of settings; unknown keys are errors, so that a typo never trains silently."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Validate(Section):
    """Bounds of the Great Expectations suite over the manifest."""

    min_images_per_class: Positive
    min_side: Positive
    max_side: Positive
    max_pixels: Positive
    max_aspect_ratio: Annotated[float, Field(ge=1)]
    max_imbalance: Annotated[float, Field(ge=1)]
    max_duplicates: Share
    max_quarantined: Share
    min_brightness: Annotated[float, Field(ge=0, le=255)]
    max_brightness: Annotated[float, Field(ge=0, le=255)]
    max_extreme_brightness: Share


class Split(Section):
    """Shares of the validation and the test split; the rest is for training."""

    val: Fraction
    test: Fraction
    seed: int
    near_duplicate_distance: Annotated[int, Field(ge=0, le=16)]

    @model_validator(mode="after")
    def _leaves_training_images(self) -> "Split":
        if self.val + self.test >= 1:
            raise ValueError(f"val + test must leave images to train on. Received: {self.val} + {self.test}")
        return self


class Model(Section):
    """The network and the side of its square input in pixels."""

    name: Literal["reference_cnn"]
    image_size: Annotated[int, Field(ge=16, le=1024)]
    dropout: Annotated[float, Field(ge=0, lt=1)]
    batch_norm_momentum: Fraction


class Augment(Section):
    """Random flip, rotation (degrees), zoom and shift (shares), drawn anew for each image and epoch."""

    flip: bool
    rotation: Annotated[float, Field(ge=0, le=180)]
    zoom: Annotated[float, Field(ge=0, lt=1)]
    shift: Annotated[float, Field(ge=0, lt=1)]


class EarlyStopping(Section):
    """Stop after ``patience`` epochs without a better ``monitor``."""

    monitor: Monitor
    patience: Positive


class Plateau(Section):
    """Multiply the learning rate by ``factor`` after ``patience`` epochs without a better ``monitor``."""

    monitor: Monitor
    factor: Fraction
    patience: Positive
    min_learning_rate: Annotated[float, Field(ge=0)]


class Checkpoint(Section):
    """Keep the weights of the epoch with the best ``monitor``."""

    monitor: Monitor


class Train(Section):
    """Optimisation: Adam on a class-weighted cross-entropy."""

    seed: int
    precision: Precision
    batch_size: Positive
    epochs: Positive
    learning_rate: Annotated[float, Field(gt=0)]
    class_weights: Literal["balanced", "none"]
    augment: Augment
    early_stopping: EarlyStopping
    plateau: Plateau
    checkpoint: Checkpoint


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
    min_gain: Annotated[float, Field(ge=0, lt=1)]


class Params(Section):
    """All settings; each section bears the name of the stage or part that reads it."""

    validate_: Validate = Field(alias="validate")
    split: Split
    model: Model
    train: Train
    evaluate: Evaluate
    gate: Gate

    def nested(self) -> dict[str, Any]:
        """Sections and keys as in the file."""
        return self.model_dump(by_alias=True)

    def flat(self) -> dict[str, Any]:
        """``section.key`` to value."""
        return _flatten(self.nested())


def load_params(path: Path) -> Params:
    """Read and check ``path``.

    Raises:
        ParamsError: naming every key that is missing, unknown or out of range.
    """
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ParamsError(
            f"Expected the settings in {path}. Received: no such file. Run this in the project's root folder."
        ) from None
    except yaml.YAMLError as error:
        raise ParamsError(f"Expected YAML in {path}. Received: {error}") from None
    try:
        return Params.model_validate(raw)
    except ValidationError as error:
        problems = "\n".join(_explain(item["loc"], item["msg"], item["input"]) for item in error.errors())
        raise ParamsError(f"{path} is not valid:\n{problems}") from None


def _flatten(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        flat |= _flatten(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {prefix + key: value}
    return flat


def _explain(location: tuple[int | str, ...], message: str, received: object) -> str:
    key = ".".join(map(str, location)) or "(the file)"
    return f"  {key}: {message}. Received: {received!r:.80}"
