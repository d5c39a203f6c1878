"""The settings of one run: typed, frozen, read from ``params.yaml``."""

from facesent.params.data import Split, Validate
from facesent.params.evaluate import Evaluate, Gate, Report, Serve
from facesent.params.file import Params, ParamsError, load_params
from facesent.params.model import Model
from facesent.params.search import Choice, CrossValidation, Range, Sweep
from facesent.params.section import Section
from facesent.params.train import Augment, Head, Loss, Optimizer, Precision, Schedule, Train

__all__ = [
    "Augment", "Choice", "CrossValidation", "Evaluate", "Gate", "Head", "Loss", "Model", "Optimizer", "Params",
    "ParamsError", "Precision", "Range", "Report", "Schedule", "Section", "Serve", "Split", "Sweep", "Train",
    "Validate", "load_params",
]  # fmt: skip
