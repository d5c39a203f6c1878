import numpy as np
import pytest

from facesent.data.augmentation import affine_matrix, augment, draw
from facesent.params import Augment

NONE = Augment(flip=False, rotation=0, zoom=0, shift=0)
FULL = Augment(flip=True, rotation=15, zoom=0.2, shift=0.1)
SIDE = 33


@pytest.fixture
def image() -> np.ndarray:
    smooth = np.random.default_rng(1).integers(0, 255, (5, 5, 3)).astype(np.uint8)
    return np.kron(smooth, np.ones((7, 7, 1), np.uint8))[:SIDE, :SIDE]


def draws(**values: float) -> np.ndarray:
    """Numbers that change nothing, but for those given: 0.5 is the middle of each range."""
    names = ("flip", "rotation", "zoom_x", "zoom_y", "shift_x", "shift_y")
    return np.array([values.get(name, 0.5) for name in names])


def test_ranges_of_zero_change_nothing(image: np.ndarray) -> None:
    for row in draw(7, 0, 5):
        assert np.array_equal(augment(image, row, NONE), image)


def test_a_low_first_number_mirrors(image: np.ndarray) -> None:
    assert np.array_equal(augment(image, draws(flip=0.1), FULL), image[:, ::-1])
    assert np.array_equal(augment(image, draws(flip=0.9), FULL), image)


def test_the_largest_shift_moves_by_its_share_of_the_side() -> None:
    matrix = affine_matrix(draws(shift_x=1.0, shift_y=0.0), FULL, 100)
    assert matrix[:, 2] == pytest.approx([10, -10])


def test_the_largest_rotation_turns_about_the_centre() -> None:
    matrix = affine_matrix(draws(rotation=1.0), FULL, SIDE)
    assert np.degrees(np.arctan2(matrix[1, 0], matrix[0, 0])) == pytest.approx(15)
    centre = np.array([(SIDE - 1) / 2, (SIDE - 1) / 2, 1])
    assert matrix @ centre == pytest.approx(centre[:2])


def test_the_largest_zoom_scales_by_its_share() -> None:
    assert np.diag(affine_matrix(draws(zoom_x=1.0, zoom_y=0.0), FULL, SIDE)[:, :2]) == pytest.approx([1.2, 0.8])


def test_nothing_outside_the_frame_is_black() -> None:
    white = np.full((SIDE, SIDE, 3), 255, np.uint8)
    for row in draw(7, 3, 20):
        assert augment(white, row, FULL).min() == 255


def test_draws_depend_on_seed_epoch_and_index_alone() -> None:
    assert np.array_equal(draw(7, 4, 10), draw(7, 4, 20)[:10])
    assert not np.array_equal(draw(7, 4, 10), draw(7, 5, 10))
    assert not np.array_equal(draw(7, 4, 10), draw(8, 4, 10))
