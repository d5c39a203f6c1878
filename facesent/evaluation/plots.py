"""Pictures of a training and its result, drawn without a screen; equal input gives equal bytes."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

TRAIN, VALIDATION = "#3b6fb6", "#d1662a"


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
    _save(figure, path)


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
    _save(figure, path)


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


def _save(figure: Figure, path: Path) -> None:
    FigureCanvasAgg(figure)
    figure.savefig(path, dpi=120, metadata={"Software": None})
