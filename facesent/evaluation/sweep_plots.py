"""Pictures of a sweep, drawn without a screen; equal input gives equal bytes."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from facesent.evaluation.plots import TRAIN, VALIDATION

_PRUNED = "#999999"


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
    _save(figure, path)


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
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    FigureCanvasAgg(figure)
    figure.savefig(path, dpi=120, metadata={"Software": None})
