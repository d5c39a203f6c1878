"""A training as one or two phases: the head alone on a frozen backbone, then everything."""

from dataclasses import dataclass

from facesent.params import Train


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


def phases(settings: Train) -> list[Phase]:
    """The phases in their order; without head epochs there is one."""
    head = min(settings.head.epochs, settings.epochs)
    both = [Phase(0, head, head_only=True), Phase(head, settings.epochs, head_only=False)]
    return [phase for phase in both if phase.epochs]
