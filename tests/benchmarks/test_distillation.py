import numpy as np
import pandas as pd
import pytest

from benchmarks.distillation import Reached, _row
from benchmarks.trainings import Outcome

FOLDS = [
    pd.DataFrame({"label": ["Happy", "Sad"] * 10, "group": [f"{fold}-{index}" for index in range(20)]})
    for fold in range(3)
]


def reached(wrong: int) -> Reached:
    """Of each fold, so many photos of Sad are answered wrong."""
    outcomes = []
    for frame in FOLDS:
        right = np.ones(20, np.bool_)
        right[np.flatnonzero(frame["label"] == "Sad")[:wrong]] = False
        recall = 1 - wrong / 20
        outcomes.append(Outcome(1, 0.5, 0.5, right.mean(), recall, 0.1, right, frame["group"].to_numpy(np.str_)))
    return Reached(FOLDS, outcomes)


def test_a_row_has_the_folds_and_the_difference_on_the_same_photos() -> None:
    plain, taught = reached(6), reached(2)
    assert _row("labels alone", plain, plain) == ["labels alone", "0.700", "0.700 ± 0.000", "0.100", ""]
    name, accuracy, recall, _, difference = _row("taught", taught, plain)
    assert (name, accuracy, recall) == ("taught", "0.900", "0.900 ± 0.000")
    estimate, low, _, high = (float(word.strip("()")) if word != "to" else 0.0 for word in difference.split())
    assert estimate == pytest.approx(0.2)
    assert 0 < low < estimate < high
