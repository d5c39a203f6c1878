"""A network made ready to learn: what learns, what is minimised, and how weights move."""

from dataclasses import dataclass
from typing import Any

from facesent.model.architectures.build import build
from facesent.model.backend import computing_in, keras, resolve
from facesent.model.settings import Model
from facesent.model.weights import freeze
from facesent.training.optimizer import learning_rate_of, optimizer_of
from facesent.training.settings import Loss, Optimizer, Train


@dataclass(frozen=True)
class Phase:
    """Epochs ``first`` up to, not with, ``end``."""

    first: int
    end: int
    head_only: bool

    @property
    def epochs(self) -> int:
        """How many."""
        return self.end - self.first


def network(model_settings: Model, settings: Train, classes: int) -> keras.Model:
    """Build the network, to compute in ``settings.precision``."""
    with computing_in(resolve(settings.precision)):
        return build(model_settings, classes)


def compiled(model_settings: Model, settings: Train, classes: int, steps: int = 1) -> keras.Model:
    """The network as the last phase of a training of ``steps`` batches an epoch starts with it."""
    model = network(model_settings, settings, classes)
    compile_for(phases(settings)[-1], model, model_settings, settings, steps)
    return model


def compile_for(phase: Phase, model: keras.Model, model_settings: Model, settings: Train, steps: int) -> None:
    """Make ``model`` ready for a phase, with a fresh optimizer.

    Args:
        phase: which layers learn, and for how many epochs.
        model: from ``network``.
        model_settings: of the network.
        settings: of the optimisation.
        steps: batches an epoch.
    """
    freeze(model, model_settings, head_only=phase.head_only)
    if phase.head_only:
        # A head at its minimum is only scored: its epoch moves nothing.
        rate = settings.head.learning_rate if settings.head.solver == "adam" else 0.0
        optimizer = optimizer_of(Optimizer(learning_rate=settings.head.learning_rate), rate)
    else:
        rate = learning_rate_of(settings.optimizer, settings.schedule, epochs=phase.epochs, steps=steps)
        optimizer = optimizer_of(settings.optimizer, rate)
    model.compile(
        optimizer=optimizer,
        loss=_loss(settings.loss),
        metrics=[keras.metrics.CategoricalAccuracy(name="accuracy")],
    )
    model.optimizer.build(model.trainable_variables)


def _loss(settings: Loss) -> Any:
    if settings.name == "focal":
        return keras.losses.CategoricalFocalCrossentropy(
            alpha=1.0, gamma=settings.focal_gamma, label_smoothing=settings.label_smoothing
        )
    return keras.losses.CategoricalCrossentropy(label_smoothing=settings.label_smoothing)


def phases(settings: Train) -> list[Phase]:
    """The phases in their order; without head epochs there is one."""
    head = min(settings.head.epochs, settings.epochs)
    both = [Phase(0, head, head_only=True), Phase(head, settings.epochs, head_only=False)]
    return [phase for phase in both if phase.epochs]
