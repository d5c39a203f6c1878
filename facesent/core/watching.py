"""What a training tells of itself while it runs, as facts; and who may watch. Nobody who watches changes a result."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from facesent.core.console import bar_of, say

if TYPE_CHECKING:
    import pandas as pd

Row = Mapping[str, float]


@dataclass(frozen=True)
class Start:
    """What is known when a training starts.

    Attributes:
        fingerprint: equal for trainings that would give equal weights.
        precision: what it computes in.
        weights_sha256: of the file that it starts from; None without one.
        epochs: how many it may take.
        finished: the logs of each epoch that an earlier, interrupted training finished.
        frames: the images of each split.
    """

    fingerprint: str
    precision: str
    weights_sha256: str | None
    epochs: int
    finished: tuple[Row, ...]
    frames: Mapping[str, "pd.DataFrame"]


@dataclass(frozen=True)
class Epoch:
    """An epoch that was trained now.

    Attributes:
        index: from 0.
        row: its logs.
        best: whether it is the best so far.
        seconds: it took.
    """

    index: int
    row: Row
    best: bool
    seconds: float


class Watcher:
    """Sees a training and does nothing; those who do something override what they want to hear of."""

    def started(self, start: Start) -> None:
        """The images are read, and the first step is next."""

    def advanced(self, done: int, total: int) -> None:
        """So many batches of those of all epochs are done."""

    def epoch(self, epoch: Epoch) -> None:
        """An epoch was trained and measured."""

    def unsaved(self, error: OSError) -> None:
        """The state of an epoch could not be written; the training goes on."""

    def kept(self, index: int, row: Row) -> None:
        """The training has ended with the weights of this epoch, from 0."""

    def ended(self, error: BaseException | None) -> None:
        """Everything is written, or ``error`` came before."""


NOBODY = Watcher()


class Terminal(Watcher):
    """Tells people: a line an epoch, and on a terminal how far the training is.

    Args:
        line: takes each line; by default stdout.
        device: says what it computes on, once that is known.
    """

    def __init__(self, line: Callable[[str], None] = say, device: Callable[[], str] | None = None) -> None:
        self._line, self._device = line, device
        self._of = ""
        self._bar = bar_of("training")
        self._advance: Callable[[int, int], None] | None = None

    def started(self, start: Start) -> None:
        """Say what it computes on and in, and where it goes on."""
        self._of = f"/{start.epochs}"
        device = f"on {self._device()} " if self._device else ""
        self._line(f"computing {device}in {start.precision}")
        if start.finished:
            self._line(f"resuming after epoch {len(start.finished)} of {start.epochs}")

    def advanced(self, done: int, total: int) -> None:
        """Move the bar."""
        if self._advance is None:
            self._advance = self._bar.__enter__()
        self._advance(done, total)

    def epoch(self, epoch: Epoch) -> None:
        """Say how good the epoch was."""
        row = epoch.row
        self._line(
            f"epoch {epoch.index + 1:>3}{self._of}"
            f"  loss {row['loss']:.3f}  accuracy {row['accuracy']:.3f}"
            f"  val_loss {row['val_loss']:.3f}  val_accuracy {row['val_accuracy']:.3f}"
            f"  learning_rate {row['learning_rate']:.1e}  {epoch.seconds:.1f} s{'  best' if epoch.best else ''}"
        )

    def unsaved(self, error: OSError) -> None:
        """Say what that means."""
        self._line(f"This epoch's state could not be saved ({error}); a restart would resume at the previous one.")

    def kept(self, index: int, row: Row) -> None:
        """Say which epoch won."""
        self._line(f"kept epoch {index + 1}: val_accuracy {row['val_accuracy']:.3f}, val_loss {row['val_loss']:.3f}")

    def ended(self, error: BaseException | None) -> None:
        """Take the bar away."""
        if self._advance is not None:
            self._advance = None
            self._bar.__exit__(None, None, None)


class _Together(Watcher):
    """Passes everything on; what a watcher raises is told in one line and reaches nobody else."""

    def __init__(self, watchers: tuple[Watcher, ...]) -> None:
        self._watchers = watchers

    def started(self, start: Start) -> None:
        self._all(lambda watcher: watcher.started(start))

    def advanced(self, done: int, total: int) -> None:
        self._all(lambda watcher: watcher.advanced(done, total))

    def epoch(self, epoch: Epoch) -> None:
        self._all(lambda watcher: watcher.epoch(epoch))

    def unsaved(self, error: OSError) -> None:
        self._all(lambda watcher: watcher.unsaved(error))

    def kept(self, index: int, row: Row) -> None:
        self._all(lambda watcher: watcher.kept(index, row))

    def ended(self, error: BaseException | None) -> None:
        self._all(lambda watcher: watcher.ended(error))

    def _all(self, tell: Callable[[Watcher], None]) -> None:
        for watcher in self._watchers:
            try:
                tell(watcher)
            except Exception as error:
                # Where the terminal is a file, its disk may be the one that is full.
                with suppress(OSError, ValueError):
                    say(f"{type(watcher).__name__} failed; the training continues. {' '.join(str(error).split())}")


@contextmanager
def watched(*watchers: Watcher) -> Iterator[Watcher]:
    """Let several watch what a block does; at its end they hear how it ended."""
    together = _Together(watchers)
    try:
        yield together
    except BaseException as error:
        together.ended(error)
        raise
    together.ended(None)
