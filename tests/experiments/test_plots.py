from pathlib import Path

import pytest
from PIL import Image

from facesent.experiments.plots import save_history, save_importances


def test_importances_are_drawn_the_same_way_each_time(tmp_path: Path) -> None:
    files = [tmp_path / "a.png", tmp_path / "b.png"]
    for file in files:
        save_importances({"train.optimizer.learning_rate": 0.8, "train.batch_size": 0.2}, 7, "val_accuracy", file)
    assert files[0].read_bytes() == files[1].read_bytes()
    assert Image.open(files[0]).size[0] > 300


@pytest.mark.parametrize("pruned", [{}, {2: 0.1}], ids=["none pruned", "one pruned"])
def test_the_history_shows_the_best_so_far_in_the_metrics_direction(tmp_path: Path, pruned: dict[int, float]) -> None:
    files = {}
    for higher in (True, False):
        files[higher] = tmp_path / f"{higher}.png"
        save_history({0: 0.3, 1: 0.5, 3: 0.4}, pruned, "val_loss", files[higher], higher_is_better=higher)
    assert files[True].read_bytes() != files[False].read_bytes()
