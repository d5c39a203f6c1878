import numpy as np
import pytest

from facesent.images.augmentation.draws import Stream, uniform
from facesent.images.augmentation.geometry import DRAWS as GEOMETRY_DRAWS
from facesent.images.augmentation.geometry import affine_matrices, warp
from facesent.images.augmentation.occlusion import DRAWS, occlude
from facesent.images.augmentation.settings import Augment

SIDE = 96
COUNT = 60
STILL = Augment(flip=False, rotation=0, zoom=0, shift=0)
UNMOVED = np.tile([[1.0, 0, 0], [0, 1, 0]], (COUNT, 1, 1))
NUMBERS = uniform(7, 0, Stream.OCCLUSION, COUNT, DRAWS)

# Rows and columns as shares of the side.
EYES, MOUTH = slice(round(0.32 * SIDE), round(0.44 * SIDE)), slice(round(0.68 * SIDE), round(0.80 * SIDE))
MIDDLE = slice(round(0.36 * SIDE), round(0.64 * SIDE))


def with_share(**shares: float) -> Augment:
    return STILL.model_copy(update=shares)


def split() -> np.ndarray:
    """Faces dark at the left and light at the right: each filling shows, the mean too."""
    return np.broadcast_to(np.where(np.arange(SIDE) < 33, 10, 250).astype(np.uint8)[:, None], (COUNT, SIDE, SIDE, 3))


def covered(settings: Augment, matrices: np.ndarray = UNMOVED, numbers: np.ndarray = NUMBERS) -> np.ndarray:
    """Which pixels changed: ``(n, side, side)``."""
    samples = split().copy()
    occlude(samples, matrices, numbers, settings)
    return (samples != split()).any(axis=3)


def test_a_mouth_box_covers_the_mouth_and_leaves_the_eyes() -> None:
    changed = covered(with_share(occlude_mouth=1))
    assert changed[:, MOUTH, MIDDLE].mean() > 0.9
    assert not changed[:, : EYES.stop + 4].any()


def test_an_eye_band_covers_the_eyes_and_leaves_the_mouth() -> None:
    changed = covered(with_share(occlude_eyes=1))
    assert changed[:, EYES, MIDDLE].mean() > 0.9
    assert not changed[:, MOUTH.start - 4 :].any()


def test_a_box_is_anywhere_and_of_some_size() -> None:
    changed = covered(with_share(occlude_box=1))
    assert ((changed.mean(axis=(1, 2)) > 0.01) & (changed.mean(axis=(1, 2)) < 0.30)).all()
    assert changed.any(axis=0).mean() > 0.9


@pytest.mark.parametrize("kind", ["occlude_eyes", "occlude_mouth", "occlude_box"])
def test_a_share_of_the_images_is_covered(kind: str) -> None:
    none, some, all_ = (covered(with_share(**{kind: share})).any(axis=(1, 2)) for share in (0.0, 0.4, 1.0))
    assert not none.any()
    assert 0.2 < some.mean() < 0.6
    assert all_.all()


def test_boxes_move_with_the_face() -> None:
    """A half turn and a shift bring the mouth box to where the warp brings the mouth."""
    shift = 5
    turned = np.tile([[-1.0, 0, SIDE - 1 + shift], [0, -1, SIDE - 1]], (COUNT, 1, 1))
    unmoved = covered(with_share(occlude_mouth=1), numbers=noise_alone())
    moved = covered(with_share(occlude_mouth=1), turned, noise_alone())
    expected = np.roll(unmoved[:, ::-1, ::-1], shift, axis=2)
    assert (moved != expected).mean() < 0.01


def test_a_box_that_left_the_frame_covers_nothing() -> None:
    away = np.tile([[1.0, 0, 10 * SIDE], [0, 1, 0]], (COUNT, 1, 1))
    assert not covered(with_share(occlude_box=1), away).any()


def test_a_band_lies_over_the_eyes_of_a_warped_face() -> None:
    settings = Augment(flip=True, rotation=25, zoom=0.2, shift=0.1, occlude_eyes=1)
    face = np.zeros((SIDE, SIDE, 3), np.uint8)
    face[36:39, MIDDLE] = 255
    matrices = affine_matrices(uniform(7, 0, Stream.GEOMETRY, COUNT, GEOMETRY_DRAWS), settings, SIDE)
    samples = np.zeros((COUNT, SIDE, SIDE, 3), np.uint8)
    for matrix, sample in zip(matrices, samples, strict=True):
        warp(face, matrix, sample)
    eyes = samples.max(axis=3) > 200
    occlude(samples, matrices, noise_alone(), settings)
    assert eyes.sum() > 50 * COUNT
    assert (samples[eyes] != 255).any(axis=1).mean() > 0.98


def test_boxes_are_filled_with_noise_one_colour_or_the_mean() -> None:
    samples = split().copy()
    occlude(samples, UNMOVED, NUMBERS, with_share(occlude_eyes=1))
    fillings = samples[:, 34, 40:56]
    means = split()[0].mean(axis=(0, 1))
    flat = (fillings == fillings[:, :1]).all(axis=(1, 2))
    mean = flat & (np.abs(fillings[:, 0] - means) < 2).all(axis=1)
    assert min((~flat).mean(), (flat & ~mean).mean(), mean.mean()) > 0.15


def test_an_image_is_covered_alike_in_any_batch() -> None:
    settings = with_share(occlude_eyes=0.5, occlude_mouth=0.5, occlude_box=0.5)
    together, alone = split().copy(), split().copy()
    occlude(together, UNMOVED, NUMBERS, settings)
    for index in range(COUNT):
        one = slice(index, index + 1)
        occlude(alone[one], UNMOVED[one], NUMBERS[one], settings)
    assert np.array_equal(together, alone)


def noise_alone() -> np.ndarray:
    """Noise differs from what it covers nearly everywhere."""
    numbers = NUMBERS.copy()
    numbers[:, 5::9] = 0.1
    return numbers
