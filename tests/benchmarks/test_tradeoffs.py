from pathlib import Path

import numpy as np
import pytest

from benchmarks.tradeoffs import Point, draw, images_of, measured, networks
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


def test_the_picture_has_a_mark_of_each_answer(tmp_path: Path) -> None:
    recalls, right = np.array([0.5, 0.6]), np.ones(4, np.bool_)
    draw([Point("a", False, recalls, right, 2.0), Point("a", True, recalls + 0.2, right, 4.0)], tmp_path / "a.png")
    marks = places_of(tmp_path / "a.png", "#1f77b4")
    assert len(marks) > 100
    assert np.ptp(marks, axis=0).min() > 100


@pytest.mark.parametrize("name", networks())
def test_no_network_sees_less_than_its_backbones_need(name: str) -> None:
    assert min(trunk.image_size for trunk in networks()[name].trunks) >= 64
