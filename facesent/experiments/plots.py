"""The epochs of several trainings in one picture, drawn without a screen; equal input gives equal bytes."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from facesent.evaluation.plots import TRAIN, VALIDATION, default_style, save_figure

_COLOURS = matplotlib.colormaps["tab10"]
_PRUNED = "#999999"


@default_style()
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
    figure.suptitle("validation; dashed: training; dot: kept epoch", fontsize=10)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right upper", frameon=False)
    save_figure(figure, path)


def _draw(axes: Axes, history: pd.DataFrame, name: str, fold: int, best: int) -> None:
    colour = _COLOURS((fold - 1) % _COLOURS.N)
    axes.plot(history.index, history[name], color=colour, alpha=0.35, linestyle="--", linewidth=1)
    axes.plot(history.index, history[f"val_{name}"], color=colour, label=f"fold {fold}")
    axes.plot([best], [history[f"val_{name}"].to_numpy()[best - 1]], color=colour, marker="o")


@default_style()
def save_importances(shares: Mapping[str, float], trials: int, metric: str, path: Path) -> None:
    """Draw a bar a key, the largest on top.

    Args:
        shares: key to its share of the variance, 0 to 1, the largest first.
        trials: how many complete trials they rest on.
        metric: the name of what varies.
        path: of the PNG.
    """
    figure = Figure(figsize=(8, 1.2 + 0.42 * len(shares)), layout="constrained")
    axes = figure.add_subplot()
    bars = axes.barh(list(shares), list(shares.values()), color=TRAIN)
    axes.bar_label(bars, fmt="{:.0%}", padding=4)
    axes.invert_yaxis()
    axes.set(xlim=(0, 1.08), xlabel=f"share of the variance of {metric} (fANOVA)")
    axes.set_title(f"What mattered, from {trials} complete trials", fontsize=11)
    axes.spines[["top", "right"]].set_visible(False)
    save_figure(figure, path)


@default_style()
def save_history(
    complete: Mapping[int, float], pruned: Mapping[int, float], metric: str, path: Path, *, higher_is_better: bool
) -> None:
    """Draw each trial's best value, and the best of the complete trials so far.

    Args:
        complete: number to value, in the order of the numbers; at least one.
        pruned: likewise.
        metric: the name of the value.
        path: of the PNG.
        higher_is_better: for the line of the best so far.
    """
    figure = Figure(figsize=(8, 3.6), layout="constrained")
    axes = figure.add_subplot()
    axes.scatter(list(complete), list(complete.values()), color=TRAIN, label="complete")
    axes.scatter(list(pruned), list(pruned.values()), color=_PRUNED, marker="x", label="pruned")
    best = (np.maximum if higher_is_better else np.minimum).accumulate(list(complete.values()))
    last = max([*complete, *pruned])
    axes.step([*complete, last], [*best, best[-1]], color=VALIDATION, where="post", label="best so far")
    axes.set(xlabel="trial", ylabel=metric)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    save_figure(figure, path)
