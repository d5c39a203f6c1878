"""Where the marks of the page's charts lie: in units of their SVGs, whose text and colours the page's style gives."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.ticker import MaxNLocator

from facesent.evaluation.report.content import Calibration, PrecisionRecall, Training

WIDTH, HEIGHT = 360.0, 220.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 38.0, 344.0, 10.0, 186.0


@dataclass(frozen=True)
class Axis:
    """A linear map from values to places.

    Attributes:
        low: the value at ``start``.
        high: the value at ``end``.
        start: a place.
        end: a place.
        ticks: values to mark.
    """

    low: float
    high: float
    start: float
    end: float
    ticks: Sequence[float]

    def at(self, value: float) -> float:
        """The place of a value, cut off at the ends."""
        share = (value - self.low) / (self.high - self.low)
        return round(self.start + min(max(share, 0.0), 1.0) * (self.end - self.start), 2)


@dataclass(frozen=True)
class Curves:
    """One quantity over the epochs, in training and on validation.

    Attributes:
        name: of the quantity.
        x: epochs, from 1.
        y: values.
        train: places as an SVG polyline takes them.
        val: likewise.
        kept: place of validation's value at the epoch whose weights were kept.
        first: values at the first epoch, training and validation.
        last: the same at the epoch kept.
    """

    name: str
    x: Axis
    y: Axis
    train: str
    val: str
    kept: tuple[float, float]
    first: tuple[float, float]
    last: tuple[float, float]


@dataclass(frozen=True)
class Mark:
    """A point of the reliability diagram with its interval, and a radius whose square grows with the images."""

    x: float
    y: float
    low: float
    high: float
    radius: float


@dataclass(frozen=True)
class Reliability:
    """Accuracy over confidence."""

    x: Axis
    y: Axis
    marks: list[Mark]


def curves(training: Training, name: str) -> Curves:
    """``name`` is ``loss`` or ``accuracy``."""
    epochs = training.epochs
    values = [(float(getattr(epoch, name)), float(getattr(epoch, f"val_{name}"))) for epoch in epochs]
    top = 1.0 if name == "accuracy" else _round_up(max(max(pair) for pair in values) or 1.0)
    # A single epoch has no width.
    x = _axis(1, max(len(epochs), 2), _LEFT, _RIGHT, integer=True)
    y = _axis(0, top, _BOTTOM, _TOP)
    train, val = (_polyline(x, y, [pair[which] for pair in values]) for which in (0, 1))
    kept = (x.at(training.kept), y.at(values[training.kept - 1][1]))
    return Curves(name, x, y, train, val, kept, values[0], values[training.kept - 1])


def reliability(calibration: Calibration) -> Reliability:
    """Places of the bins."""
    x, y = _axis(0, 1, _LEFT, _RIGHT), _axis(0, 1, _BOTTOM, _TOP)
    most = max((bin_.accuracy.images for bin_ in calibration.bins), default=1)
    marks = [
        Mark(
            x.at(bin_.confidence),
            y.at(bin_.accuracy.value),
            y.at(bin_.accuracy.low),
            y.at(bin_.accuracy.high),
            round(2.5 + 5 * (bin_.accuracy.images / most) ** 0.5, 2),
        )
        for bin_ in calibration.bins
    ]
    return Reliability(x, y, marks)


@dataclass(frozen=True)
class Trade:
    """Precision over recall of a class: places as an SVG polyline takes them."""

    label: str
    area: float
    x: Axis
    y: Axis
    line: str


def trades(curves: Sequence[PrecisionRecall]) -> list[Trade]:
    """A small chart for each class."""
    x, y = _axis(0, 1, _LEFT, _RIGHT), _axis(0, 1, _BOTTOM, _TOP)
    return [
        Trade(
            curve.label,
            curve.average_precision,
            x,
            y,
            " ".join(f"{x.at(recall)},{y.at(precision)}" for recall, precision in curve.points),
        )
        for curve in curves
    ]


def _polyline(x: Axis, y: Axis, values: Sequence[float]) -> str:
    return " ".join(f"{x.at(number)},{y.at(value)}" for number, value in enumerate(values, start=1))


def _round_up(value: float) -> float:
    return float(MaxNLocator(nbins=5).tick_values(0, value)[-1])


def _axis(low: float, high: float, start: float, end: float, *, integer: bool = False) -> Axis:
    ticks = MaxNLocator(nbins=5, integer=integer).tick_values(low, high)
    return Axis(low, high, start, end, [float(tick) for tick in ticks if low <= tick <= high])
