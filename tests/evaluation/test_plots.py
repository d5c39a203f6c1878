from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from facesent.evaluation.plots import save_confusion, save_curves, save_reliability
from facesent.evaluation.reliability import equal_width_bins

HISTORY = pd.DataFrame({"loss": [2.0, 1.0], "val_loss": [2.1, 1.2], "accuracy": [0.2, 0.6], "val_accuracy": [0.3, 0.5]})


@pytest.mark.parametrize("normalised", [False, True])
def test_a_confusion_matrix_is_drawn_the_same_way_each_time(tmp_path: Path, normalised: bool) -> None:
    files = [tmp_path / "a.png", tmp_path / "b.png"]
    for file in files:
        save_confusion(np.array([[5, 1], [0, 0]]), ["Happy", "Sad"], file, normalised=normalised)
    assert files[0].read_bytes() == files[1].read_bytes()
    assert Image.open(files[0]).size[0] > 300


def test_curves_are_drawn_the_same_way_each_time(tmp_path: Path) -> None:
    files = [tmp_path / "a.png", tmp_path / "b.png"]
    for file in files:
        save_curves(HISTORY, 1, file)
    assert files[0].read_bytes() == files[1].read_bytes()


def test_a_reliability_diagram_is_drawn_the_same_way_each_time(tmp_path: Path) -> None:
    confidence = np.linspace(0.3, 0.99, 40)
    bins = equal_width_bins(confidence, np.arange(40) % 3 > 0, 15)
    files = [tmp_path / "a.png", tmp_path / "b.png"]
    for file in files:
        save_reliability(bins, equal_width_bins(confidence**2, np.ones(40, bool), 15), file)
    assert files[0].read_bytes() == files[1].read_bytes()
