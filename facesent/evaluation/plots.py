"""Pictures of a training and its result, drawn without a screen; equal input gives equal bytes."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib import rc_context, rcdefaults
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from facesent.core.files import replaced
from facesent.evaluation.reliability import Bins

TRAIN, VALIDATION = "#3b6fb6", "#d1662a"


@contextmanager
def default_style() -> Iterator[None]:
    """Draw as Matplotlib does by itself, whatever the user's matplotlibrc says; for each function with a figure."""
    with rc_context():
        rcdefaults()
        yield


@default_style()
def save_confusion(matrix: NDArray[np.int64], labels: Sequence[str], path: Path, *, normalised: bool) -> None:
    """Draw images by true class (rows) and predicted class (columns).

    Args:
        matrix: ``(classes, classes)`` counts.
        labels: the classes.
        path: of the PNG.
        normalised: show the share of each true class instead of the count.
    """
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    side = 2.6 + 0.62 * len(labels)
    figure = Figure(figsize=(side + 0.6, side), layout="constrained")
    axes = figure.add_subplot()
    picture = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), share in np.ndenumerate(shares):
        text = f"{share:.2f}" if normalised else str(matrix[row, column])
        axes.text(column, row, text, ha="center", va="center", color="white" if share > 0.55 else "#1b2a41")
    axes.set_xticks(range(len(labels)), labels, rotation=35, ha="right")
    axes.set_yticks(range(len(labels)), labels)
    axes.set(xlabel="predicted", ylabel="true")
    axes.set_title(f"Test images, {'share of the true class' if normalised else 'counts'}", fontsize=11)
    figure.colorbar(picture, ax=axes, label="share of the true class", fraction=0.046, pad=0.04)
    save_figure(figure, path)


@default_style()
def save_curves(history: pd.DataFrame, best_epoch: int, path: Path) -> None:
    """Draw loss and accuracy of the epochs.

    Args:
        history: columns ``loss``, ``val_loss``, ``accuracy``, ``val_accuracy``; a row an epoch.
        best_epoch: index of the epoch whose weights were kept.
        path: of the PNG.
    """
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    for axes, name in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        _draw_curve(axes, history, name, best_epoch)
    save_figure(figure, path)


def _draw_curve(axes: Axes, history: pd.DataFrame, name: str, best_epoch: int) -> None:
    epochs = np.arange(1, len(history) + 1)
    axes.plot(epochs, history[name], color=TRAIN, marker=".", label="train")
    axes.plot(epochs, history[f"val_{name}"], color=VALIDATION, marker=".", label="validation")
    axes.axvline(best_epoch + 1, color="#777777", linestyle=":", label="kept")
    axes.set(xlabel="epoch", ylabel=name)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylim(bottom=0, top=1 if name == "accuracy" else None)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)


@default_style()
def save_reliability(before: Bins, after: Bins, path: Path) -> None:
    """Draw the accuracy of answers over their confidence, at temperature 1 and as answered.

    Args:
        before: at temperature 1.
        after: as answered.
        path: of the PNG.
    """
    figure = Figure(figsize=(9, 4.8), layout="constrained")
    grid = figure.subplots(2, 2, height_ratios=(3, 1), sharex=True, sharey="row")
    for (above, below), bins, name in zip(grid.T, (before, after), ("temperature 1", "as answered"), strict=True):
        _draw_reliability(above, bins)
        above.set_title(f"Test images, {name}: ECE {bins.weights @ np.abs(bins.gaps):.3f}", fontsize=11)
        below.bar(_centres(bins), bins.images, 1 / len(bins.images), color="#9aa5b1", edgecolor="white")
        below.set(xlabel="confidence", xlim=(0, 1))
        below.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=3))
    grid[0, 0].set(ylabel="accuracy", ylim=(0, 1))
    figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    grid[1, 0].set_ylabel("images")
    for axes in grid.flat:
        axes.spines[["top", "right"]].set_visible(False)
    save_figure(figure, path)


def _draw_reliability(axes: Axes, bins: Bins) -> None:
    some = bins.images > 0
    centres, width = _centres(bins)[some], 1 / len(bins.images)
    accuracy, gaps = bins.accuracy[some], bins.gaps[some]
    axes.bar(centres, accuracy, width, color=TRAIN, edgecolor="white", label="accuracy")
    axes.bar(
        centres,
        gaps,
        width,
        bottom=accuracy,
        color="none",
        edgecolor=VALIDATION,
        hatch="///",
        label="gap to confidence",
    )
    axes.plot([0, 1], [0, 1], color="#777777", linestyle=":", label="calibrated")


def _centres(bins: Bins) -> NDArray[np.float64]:
    number = len(bins.images)
    return (np.arange(number) + 0.5) / number


def save_figure(figure: Figure, path: Path) -> None:
    """Write a picture in one step, without a screen; equal figures give equal bytes. Letters with no font are boxes."""
    FigureCanvasAgg(figure)
    # A class may be called "$x$", and is no formula.
    for text in figure.findobj(Text):
        text.set_parse_math(False)
    with replaced(path) as draft, rc_context({"text.parse_math": False}), warnings.catch_warnings():
        # A line for each letter of each class's name, in each picture.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font", category=UserWarning)
        figure.savefig(draft, dpi=120, metadata={"Software": None})
