from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from facesent.evaluation.plots import TRAIN, VALIDATION
from facesent.experiments.plots import save_fold_curves, save_history, save_importances
from tests.helpers.pictures import a_style_of_ones_own, height_at, places_of

SECOND_FOLD = "#ff7f0e"
PRUNED = "#999999"


def history(losses: list[float], accuracies: list[float]) -> pd.DataFrame:
    values = {"loss": losses, "val_loss": losses, "accuracy": accuracies, "val_accuracy": accuracies}
    return pd.DataFrame(values, pd.RangeIndex(1, len(losses) + 1, name="epoch"))


FOLDS = [history([2.0, 1.5, 1.0], [0.2, 0.4, 0.6]), history([1.0, 1.5, 2.0], [0.6, 0.4, 0.2])]


def test_each_fold_has_a_line_that_goes_its_way(tmp_path: Path) -> None:
    save_fold_curves(FOLDS, [3, 1], tmp_path / "a.png")
    line = places_of(tmp_path / "a.png", SECOND_FOLD)
    # The legend, on the right, is no part of it.
    line = line[line[:, 1] < 900]
    middle = (line[:, 1].min() + line[:, 1].max()) / 2
    loss, accuracy = line[line[:, 1] < middle - 40], line[line[:, 1] > middle + 40]
    assert height_at(loss, 0.1) > height_at(loss, 0.9)
    assert height_at(accuracy, 0.1) < height_at(accuracy, 0.9)


def test_a_key_that_matters_more_has_the_longer_bar(tmp_path: Path) -> None:
    save_importances(
        {"train.optimizer.learning_rate": 0.8, "train.batch_size": 0.2}, 7, "val_accuracy", tmp_path / "a.png"
    )
    bars = places_of(tmp_path / "a.png", TRAIN)
    middle = (bars[:, 0].min() + bars[:, 0].max()) / 2
    lengths = [
        int(part[:, 1].max() - part[:, 1].min()) for part in (bars[bars[:, 0] < middle], bars[bars[:, 0] > middle])
    ]
    assert lengths[0] / lengths[1] == pytest.approx(4, rel=0.1)


def test_the_line_of_the_best_ends_where_the_metrics_direction_takes_it(tmp_path: Path) -> None:
    ends = {}
    for higher in (True, False):
        path = tmp_path / f"{higher}.png"
        save_history({0: 0.3, 1: 0.5, 3: 0.2}, {}, "val_loss", path, higher_is_better=higher)
        line = places_of(path, VALIDATION)
        ends[higher] = line[line[:, 1] > line[:, 1].max() - 5, 0].mean()
    # Pixels are counted from the top.
    assert ends[True] < ends[False] - 100


def test_what_was_pruned_is_shown_beside_what_was_complete(tmp_path: Path) -> None:
    crosses = []
    for number, pruned in enumerate(({}, {2: 0.1, 4: 0.4})):
        path = tmp_path / f"{number}.png"
        save_history({0: 0.3, 1: 0.5, 3: 0.2}, pruned, "val_loss", path, higher_is_better=True)
        crosses.append(len(places_of(path, PRUNED)))
    assert crosses[0] < crosses[1]


each_figure = pytest.mark.parametrize(
    "draw",
    [
        lambda path: save_fold_curves(FOLDS, [3, 1], path),
        lambda path: save_importances({"a": 0.8, "b": 0.2}, 7, "val_accuracy", path),
        lambda path: save_history({0: 0.3, 1: 0.5}, {2: 0.1}, "val_loss", path, higher_is_better=True),
    ],
    ids=["folds", "importances", "history"],
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
