"""A picture shows what it was given, and equal input gives equal bytes; a blank one shows nothing."""

import warnings
from collections.abc import Callable
from errno import ENOSPC
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from facesent.evaluation.plots import TRAIN, VALIDATION, save_confusion, save_curves, save_reliability
from facesent.evaluation.reliability import equal_width_bins
from tests.helpers.pictures import a_style_of_ones_own, height_at, places_of

HISTORY = pd.DataFrame({"loss": [2.0, 1.0], "val_loss": [2.1, 1.2], "accuracy": [0.2, 0.6], "val_accuracy": [0.3, 0.5]})
DARKEST, PALEST = "#08306b", "#f7fbff"


def confusion(path: Path, matrix: list[list[int]], *, normalised: bool = False) -> NDArray[np.int64]:
    """Where the darkest cell of the drawn matrix is: the middle row and column of its pixels."""
    save_confusion(np.array(matrix), ["Happy", "Sad"], path, normalised=normalised)
    dark = places_of(path, DARKEST)
    # The colour bar, on the right, begins with the same colour.
    with Image.open(path) as image:
        dark = dark[dark[:, 1] < 0.75 * image.width]
    return np.asarray(np.median(dark, axis=0), np.int64)


@pytest.mark.parametrize("normalised", [False, True])
def test_the_fullest_cell_of_a_confusion_matrix_is_the_darkest(tmp_path: Path, normalised: bool) -> None:
    upper_left = confusion(tmp_path / "a.png", [[9, 0], [4, 5]], normalised=normalised)
    upper_right = confusion(tmp_path / "b.png", [[0, 9], [4, 5]], normalised=normalised)
    lower_right = confusion(tmp_path / "c.png", [[4, 5], [0, 9]], normalised=normalised)
    assert upper_left[0] == upper_right[0] < lower_right[0]
    assert upper_left[1] < upper_right[1] == lower_right[1]


def test_a_picture_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    curves = tmp_path / "curves.png"
    save_curves(HISTORY, 1, curves)
    before = curves.read_bytes()

    def half(figure: Figure, path: Path, **_: object) -> None:
        path.write_bytes(before[:100])
        raise OSError(ENOSPC, "No space left on device")

    monkeypatch.setattr(Figure, "savefig", half)
    with pytest.raises(OSError, match="No space"):
        save_curves(HISTORY, 0, curves)
    assert curves.read_bytes() == before
    assert list(tmp_path.iterdir()) == [curves]


def test_a_class_without_images_leaves_its_row_pale(tmp_path: Path) -> None:
    save_confusion(np.array([[5, 1], [0, 0]]), ["Happy", "Sad"], tmp_path / "a.png", normalised=False)
    pale = places_of(tmp_path / "a.png", PALEST)
    assert len(pale) > 2 * 50**2


def test_a_curve_falls_and_rises_as_its_numbers_do(tmp_path: Path) -> None:
    save_curves(HISTORY, 1, tmp_path / "a.png")
    for colour in (TRAIN, VALIDATION):
        line = places_of(tmp_path / "a.png", colour)
        middle = (line[:, 1].min() + line[:, 1].max()) / 2
        loss, accuracy = line[line[:, 1] < middle], line[line[:, 1] > middle]
        assert height_at(loss, 0.1) < height_at(loss, 0.9)
        assert height_at(accuracy, 0.1) > height_at(accuracy, 0.9)


def test_a_sure_and_wrong_network_has_low_bars_and_wide_gaps(tmp_path: Path) -> None:
    confidence = np.linspace(0.3, 0.99, 40)
    right = equal_width_bins(confidence, np.ones(40, bool), 15)
    wrong = equal_width_bins(confidence, np.zeros(40, bool), 15)
    save_reliability(right, right, tmp_path / "right.png")
    save_reliability(wrong, wrong, tmp_path / "wrong.png")
    bars = [len(places_of(tmp_path / f"{name}.png", TRAIN)) for name in ("right", "wrong")]
    gaps = [len(places_of(tmp_path / f"{name}.png", VALIDATION)) for name in ("right", "wrong")]
    assert bars[0] > 10 * bars[1]
    assert gaps[0] < gaps[1]


def _reliability(path: Path) -> None:
    bins = equal_width_bins(np.linspace(0.3, 0.99, 40), np.arange(40) % 3 > 0, 15)
    save_reliability(bins, bins, path)


each_figure = pytest.mark.parametrize(
    "draw",
    [
        lambda path: save_confusion(np.array([[5, 1], [0, 0]]), ["Happy", "Sad"], path, normalised=True),
        lambda path: save_curves(HISTORY, 1, path),
        _reliability,
    ],
    ids=["confusion", "curves", "reliability"],
)


@each_figure
def test_equal_input_gives_equal_bytes(tmp_path: Path, draw: Callable[[Path], None]) -> None:
    files = [tmp_path / "a.png", tmp_path / "b.png"]
    for file in files:
        draw(file)
    assert files[0].read_bytes() == files[1].read_bytes()


@each_figure
def test_a_matplotlibrc_changes_nothing(tmp_path: Path, draw: Callable[[Path], None]) -> None:
    draw(tmp_path / "a.png")
    with a_style_of_ones_own():
        draw(tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_letters_that_no_font_has_are_boxes_and_no_lines_in_the_terminal(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        save_confusion(np.eye(2, dtype=np.int64), ["高兴", "Sad"], tmp_path / "matrix.png", normalised=False)
