import cv2
import numpy as np
import pytest

from facesent.images.augmentation.draws import Stream, uniform
from facesent.images.augmentation.geometry import DRAWS, affine_matrices, warp
from facesent.images.augmentation.settings import Augment
from facesent.images.keeping import DecodedImages
from facesent.sources.drawn_faces.portrait import draw_portrait

NONE = Augment(flip=False, rotation=0, zoom=0, shift=0)
FULL = Augment(flip=True, rotation=15, zoom=0.2, shift=0.1)
SIDE = 33


@pytest.fixture
def image() -> np.ndarray:
    smooth = np.random.default_rng(1).integers(0, 255, (5, 5, 3)).astype(np.uint8)
    return np.kron(smooth, np.ones((7, 7, 1), np.uint8))[:SIDE, :SIDE]


@pytest.fixture(scope="module")
def portraits() -> list[np.ndarray]:
    """Drawn faces of 175x150 pixels, 1.56 and 1.34 times a side of 112."""
    labels = ("Happy", "Sad", "Angry")
    return [cv2.resize(draw_portrait(7, i, 1, label, 175), (175, 150)) for i, label in enumerate(labels)]


def draw(seed: int, epoch: int, images: int) -> np.ndarray:
    return uniform(seed, epoch, Stream.GEOMETRY, images, DRAWS)


def draws(**values: float) -> np.ndarray:
    """Numbers that change nothing, but for those given: 0.5 is the middle of each range."""
    names = ("flip", "rotation", "zoom_x", "zoom_y", "shift_x", "shift_y")
    return np.array([values.get(name, 0.5) for name in names])


def affine_matrix(row: np.ndarray, settings: Augment, side: int) -> np.ndarray:
    return affine_matrices(row[None], settings, side)[0]


def augmented(image: np.ndarray, row: np.ndarray, settings: Augment, side: int = SIDE) -> np.ndarray:
    result = np.zeros((side, side, 3), np.uint8)
    warp(image, affine_matrix(row, settings, side), result)
    return result


def resized_then_warped(image: np.ndarray, row: np.ndarray, settings: Augment, side: int) -> np.ndarray:
    """What ``warp`` does in one interpolation, in two."""
    square = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
    matrix = affine_matrix(row, settings, side)
    return cv2.warpAffine(square, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)


def supersampled(image: np.ndarray, row: np.ndarray, settings: Augment, side: int, factor: int = 8) -> np.ndarray:
    """The mean of ``factor`` x ``factor`` points in each pixel: the warp as it should be."""
    fine = augmented(image, row, settings, side * factor)
    return cv2.resize(fine, (side, side), interpolation=cv2.INTER_AREA)


def difference(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one.astype(float) - other).mean())


def test_ranges_of_zero_change_nothing(image: np.ndarray) -> None:
    for row in draw(7, 0, 5):
        assert np.array_equal(augmented(image, row, NONE), image)


@pytest.mark.parametrize("size", [(66, 50), (40, 33), (20, 24)])
def test_ranges_of_zero_resize(image: np.ndarray, size: tuple[int, int]) -> None:
    source = cv2.resize(image, size, interpolation=cv2.INTER_CUBIC)
    plain = cv2.resize(source, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR).astype(float)
    inner = np.s_[1:-1, 1:-1]  # at the border one repeats pixels, the other mirrors them
    assert np.abs(augmented(source, draws(), NONE)[inner] - plain[inner]).max() <= 1


def test_a_fourth_channel_on_the_way_changes_nothing(portraits: list[np.ndarray]) -> None:
    for index, portrait in enumerate(portraits):
        side, row = portrait.shape[0], draw(3, 0, len(portraits))[index]
        portrait = np.ascontiguousarray(portrait[:, :side])
        matrix = affine_matrix(row, FULL, side)
        plain = cv2.warpAffine(portrait, matrix, (side, side), borderMode=cv2.BORDER_REFLECT_101)
        assert np.array_equal(augmented(portrait, row, FULL, side), plain)


def test_one_warp_gives_the_picture_of_a_resize_and_a_warp(portraits: list[np.ndarray]) -> None:
    for portrait in portraits:
        for row in draw(7, 0, 8):
            fused = augmented(portrait, row, FULL, 112)
            assert difference(fused, resized_then_warped(portrait, row, FULL, 112)) < 4


@pytest.mark.parametrize("scale", [1.34, 1.56, 2, 3])
def test_one_warp_is_nearer_to_the_true_picture_than_a_resize_and_a_warp(
    portraits: list[np.ndarray], scale: float
) -> None:
    side = round(175 / scale)
    kept = DecodedImages(portraits.__getitem__, len(portraits), side)
    once, twice, truth = [], [], []
    for index, portrait in enumerate(portraits):
        for row in draw(7, 0, 8):
            once.append(augmented(kept[index], row, FULL, side))
            twice.append(resized_then_warped(portrait, row, FULL, side))
            truth.append(supersampled(portrait, row, FULL, side))
    assert difference(np.array(once), np.array(truth)) < difference(np.array(twice), np.array(truth))


def test_a_low_first_number_mirrors(image: np.ndarray) -> None:
    assert np.array_equal(augmented(image, draws(flip=0.1), FULL), image[:, ::-1])
    assert np.array_equal(augmented(image, draws(flip=0.9), FULL), image)


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


def test_a_warp_of_many_is_that_of_each() -> None:
    rows = draw(7, 1, 6)
    together = affine_matrices(rows, FULL, SIDE)
    assert np.array_equal(together, [affine_matrix(row, FULL, SIDE) for row in rows])


def test_nothing_outside_the_frame_is_black() -> None:
    white = np.full((50, 70, 3), 255, np.uint8)
    for row in draw(7, 3, 20):
        assert augmented(white, row, FULL).min() == 255
