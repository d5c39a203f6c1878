"""Optimisation and augmentation."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from facesent.images.augmentation.settings import Augment
from facesent.model.settings import Precision
from facesent.section import Below1, Fraction, NotNegative, Positive, Section, Seed, Sha256

Monitor = Literal["val_loss", "val_accuracy"]


class Loss(Section):
    """What is minimised.

    Attributes:
        name: the focal loss weighs what is answered well already down (Lin et al. 2017, arXiv:1708.02002).
        focal_gamma: how much.
        label_smoothing: share of the target that goes to all classes alike (Szegedy et al. 2016, arXiv:1512.00567).
        class_weights: ``balanced`` lets each class count alike.
    """

    name: Literal["cross_entropy", "focal"] = "cross_entropy"
    focal_gamma: NotNegative = 2.0
    label_smoothing: Below1 = 0.0
    class_weights: Literal["balanced", "none"] = "balanced"


class Distillation(Section):
    """Learn what other networks answered, beside the labels (Hinton et al. 2015, arXiv:1503.02531).

    Attributes:
        soft_targets: ``none``, or a file of probabilities for each training image, which
            ``python -m flows.distillation`` writes.
        soft_targets_sha256: what the file's bytes must hash to; empty where there is none.
        weight: share of the target that comes from them; the label has the rest.
    """

    soft_targets: str = "none"
    soft_targets_sha256: Sha256 = ""
    weight: Annotated[float, Field(gt=0, le=1)] = 0.5

    @property
    def is_on(self) -> bool:
        """Whether there are soft targets."""
        return self.soft_targets != "none"

    @model_validator(mode="after")
    def _names_content(self) -> "Distillation":
        if self.is_on and not self.soft_targets_sha256:
            raise ValueError(
                "the content of a file may change: expected soft_targets_sha256, as printed by "
                f"`sha256sum {self.soft_targets}`. Received: none"
            )
        return self


class Optimizer(Section):
    """How weights move.

    Attributes:
        learning_rate: the highest.
        weight_decay: decoupled (AdamW; Loshchilov and Hutter 2019, arXiv:1711.05101), of kernels alone.
        clip_norm: bound of the norm of all gradients together; 0 for none.
        average: decay a step of the moving average of weights that is validated and kept; 0 for none.
    """

    name: Literal["adam", "adamw"] = "adam"
    learning_rate: Annotated[float, Field(gt=0)]
    weight_decay: NotNegative = 0.0
    clip_norm: NotNegative = 0.0
    average: Below1 = 0.0

    @model_validator(mode="after")
    def _decays_by_name(self) -> "Optimizer":
        if self.name == "adam" and self.weight_decay:
            raise ValueError(f"adam has no weight decay: use adamw. Received: weight_decay {self.weight_decay}")
        return self


class Head(Section):
    """First phase of fine-tuning: the head alone learns on top of the frozen backbone.

    Attributes:
        epochs: how many; 0 for none.
        solver: ``adam`` goes down the gradient of ``loss``. ``logistic`` takes one epoch and finds the minimum itself,
            that of a logistic regression on the features of the images, not augmented, and of their mirror images.
        learning_rate: of ``adam``.
        shrinkage: of ``logistic``: this times half the squared norm of the weights of standardised features is added
            to the mean loss.
    """

    epochs: Annotated[int, Field(ge=0)] = 0
    solver: Literal["adam", "logistic"] = "adam"
    learning_rate: Annotated[float, Field(gt=0)] = 0.001
    shrinkage: Annotated[float, Field(gt=0)] = 0.5

    @model_validator(mode="after")
    def _solves_once(self) -> "Head":
        if self.solver == "logistic" and self.epochs != 1:
            raise ValueError(f"logistic finds the minimum in one epoch: expected epochs: 1. Received: {self.epochs}")
        return self


class Schedule(Section):
    """The learning rate over the epochs.

    Attributes:
        name: ``plateau`` lowers it as section ``plateau`` says, ``cosine`` falls to zero over all epochs.
        warmup_epochs: over which it rises from zero, with ``cosine``.
    """

    name: Literal["plateau", "cosine"] = "plateau"
    warmup_epochs: NotNegative = 0.0

    @model_validator(mode="after")
    def _warms_up_cosine_only(self) -> "Schedule":
        if self.name == "plateau" and self.warmup_epochs:
            raise ValueError(f"plateau has no warm-up: expected warmup_epochs: 0. Received: {self.warmup_epochs}")
        return self


class EarlyStopping(Section):
    """Stop after ``patience`` epochs without a better ``monitor``."""

    monitor: Monitor
    patience: Positive


class Plateau(Section):
    """Multiply the learning rate by ``factor`` after ``patience`` epochs without a better ``monitor``."""

    monitor: Monitor
    factor: Fraction
    patience: Positive
    min_learning_rate: NotNegative


class Checkpoint(Section):
    """Keep the weights of the epoch with the best ``monitor``."""

    monitor: Monitor


class Train(Section):
    """The one training loop's settings.

    Attributes:
        seed: of weights, order, dropout and augmentation.
        precision: of the computation.
        distribute: ``mirrored`` over this machine's devices, ``workers`` over the processes that TF_CONFIG names.
        calibrate: fit the temperature of the probabilities on validation (Guo et al. 2017, arXiv:1706.04599).
    """

    seed: Seed
    precision: Precision
    distribute: Literal["none", "mirrored", "workers"] = "none"
    batch_size: Positive
    epochs: Positive
    head: Head = Head()
    optimizer: Optimizer
    schedule: Schedule = Schedule()
    loss: Loss = Loss()
    distillation: Distillation = Distillation()
    augment: Augment
    early_stopping: EarlyStopping
    plateau: Plateau
    checkpoint: Checkpoint
    calibrate: bool = False

    @model_validator(mode="after")
    def _solves_in_one_process(self) -> "Train":
        if self.head.solver == "logistic" and self.distribute != "none":
            raise ValueError(
                f"head.solver logistic takes one device: expected distribute: none. Received: {self.distribute}"
            )
        return self
