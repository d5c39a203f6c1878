"""The epochs of several trainings in one picture, drawn without a screen; equal input gives equal bytes."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

_COLOURS = matplotlib.colormaps["tab10"]


def save_fold_curves(histories: Sequence[pd.DataFrame], best_epochs: Sequence[int], path: Path) -> None:
    """Draw loss and accuracy of every fold: validation as a line, training pale and dashed, a dot where it was kept.

    Args:
        histories: of each fold: index ``epoch`` from 1, columns ``loss``, ``val_loss``, ``accuracy``, ``val_accuracy``.
        best_epochs: the epoch whose weights each fold kept, from 1.
        path: of the PNG.
    """
    figure = Figure(figsize=(9, 3.8), layout="constrained")
    for axes, name in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        for fold, (history, best) in enumerate(zip(histories, best_epochs, strict=True), start=1):
            _draw(axes, history, name, fold, best)
        axes.set(xlabel="epoch", ylabel=name)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_ylim(bottom=0, top=1 if name == "accuracy" else None)
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle("validation; dashed: training; dot: the epoch that was kept", fontsize=10)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right upper", frameon=False)
    FigureCanvasAgg(figure)
    figure.savefig(path, dpi=120, metadata={"Software": None})


def _draw(axes: Axes, history: pd.DataFrame, name: str, fold: int, best: int) -> None:
    colour = _COLOURS((fold - 1) % _COLOURS.N)
    axes.plot(history.index, history[name], color=colour, alpha=0.35, linestyle="--", linewidth=1)
    axes.plot(history.index, history[f"val_{name}"], color=colour, label=f"fold {fold}")
    axes.plot([best], [history[f"val_{name}"].to_numpy()[best - 1]], color=colour, marker="o")
