"""Which settings change nothing that a training measures on validation: trials that differ in these alone are equal."""

from typing import get_args

from facesent.model.settings import Name
from facesent.params import Params

_EPOCHS = {"train.epochs", "train.head.epochs"}
_SOLVER = "train.head.solver"

# Keys, as they begin, that act on the network that is kept when the training is over.
_AFTERWARDS = ("model.flip_average", "train.calibrate", "train.checkpoint.")
# Of the training of whole networks.
_WHOLE = ("train.optimizer.", "train.schedule.", "train.plateau.", "train.early_stopping.")
# What the loss is, on validation too: with a larger focal_gamma it is smaller, however good the network.
LOSS = ("train.loss.name", "train.loss.focal_gamma", "train.loss.label_smoothing")
# Of the way down a gradient; a solved head is at the minimum, and has a loss of its own.
_GRADIENT = ("train.batch_size", "train.augment.", "model.dropout", "model.drop_path", *LOSS)
_BACKBONES = tuple(name for name in get_args(Name) if name != "reference_cnn")
# Keys, and the values of another one with which they do nothing.
_WITH = (
    (("train.head.",), "train.head.epochs", (0,)),
    (("train.head.shrinkage",), _SOLVER, ("adam",)),
    (("train.head.learning_rate",), _SOLVER, ("logistic",)),
    (("train.plateau.",), "train.schedule.name", ("cosine",)),
    (("train.loss.focal_gamma",), "train.loss.name", ("cross_entropy",)),
    (("train.distillation.weight",), "train.distillation.soft_targets", ("none",)),
    (("model.batch_norm_momentum",), "model.name", _BACKBONES),
    (("model.scaling", "model.last_layer"), "model.name", ("reference_cnn",)),
)


def why_idle(params: Params, key: str) -> str | None:
    """Why no value of a key changes what is measured on validation while these settings train; None where one may.

    Args:
        params: all settings; the keys that ``sweep.space`` names may have any value.
        key: such as ``train.batch_size``.
    """
    if key.startswith(_AFTERWARDS):
        return "it acts only on the network that is kept in the end"
    searched, flat, train = params.sweep.space.keys(), params.flat(), params.train
    if not searched & _EPOCHS and train.head.epochs >= train.epochs:
        if key.startswith(_WHOLE):
            return "train.head.epochs are all of train.epochs"
        if key.startswith(_GRADIENT) and _SOLVER not in searched and train.head.solver == "logistic":
            return f"{_SOLVER} is logistic in all of train.epochs"
    for keys, other, values in _WITH:
        if key.startswith(keys) and other not in searched and flat[other] in values:
            return f"{other} is {flat[other]}"
    return None
