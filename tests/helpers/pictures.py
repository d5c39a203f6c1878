"""What can be seen in a picture, without comparing it with another one."""

from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from numpy.typing import NDArray
from PIL import Image, ImageColor

_NEAR = 40


def places_of(path: Path, colour: str) -> NDArray[np.int64]:
    """Where a PNG has nearly this colour: ``(n, 2)``, row and column."""
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB"), np.int64)
    wanted = np.array(ImageColor.getrgb(colour)[:3])
    return np.argwhere(np.abs(pixels - wanted).sum(axis=2) < _NEAR)


def height_at(places: NDArray[np.int64], share: float) -> float:
    """The mean row of a line at a share of its width from the left, counted from the top."""
    left, right = places[:, 1].min(), places[:, 1].max()
    near = np.abs(places[:, 1] - (left + share * (right - left))) <= 2
    return float(places[near, 0].mean())


def a_style_of_ones_own() -> AbstractContextManager[None]:
    """Matplotlib as a user's matplotlibrc may have it, for a paper in LaTeX."""
    return rc_context({"text.usetex": True, "axes.facecolor": "black", "lines.linewidth": 5, "savefig.bbox": "tight"})
