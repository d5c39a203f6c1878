import numpy as np
import pytest

from facesent.images.augmentation.draws import Stream, uniform
from facesent.images.augmentation.mixing import DRAWS, mix
from facesent.images.augmentation.settings import Augment

SIDE = 32
COUNT = 50
STILL = Augment(flip=False, rotation=0, zoom=0, shift=0)
MIXUP, CUTMIX, BOTH = (
    STILL.model_copy(update=values) for values in ({"mixup": 0.4}, {"cutmix": 1.0}, {"mixup": 0.4, "cutmix": 1.0})
)


def flat(count: int = COUNT) -> np.ndarray:
    """Image ``i`` is flat with the value ``4 * i``."""
    values = 4 * np.arange(count, dtype=np.uint8)
    return np.broadcast_to(values[:, None, None, None], (count, SIDE, SIDE, 3))


def mixed(settings: Augment, count: int = COUNT) -> tuple[np.ndarray, np.ndarray]:
    """With a class an image, so that targets tell who was mixed with whom."""
    return mix(flat(count), np.eye(count, dtype=np.float32), uniform(7, 0, Stream.MIXING, count, DRAWS), settings)


def partners(targets: np.ndarray) -> np.ndarray:
    """For each image the other one in its target; itself where there is none."""
    others = targets.copy()
    np.fill_diagonal(others, 0)
    return np.where(others.any(axis=1), others.argmax(axis=1), np.arange(len(others)))


@pytest.mark.parametrize("settings", [MIXUP, CUTMIX, BOTH])
def test_targets_are_distributions_of_at_most_two_of_which_the_first_is_the_larger(settings: Augment) -> None:
    _, targets = mixed(settings)
    assert targets.dtype == np.float32
    assert targets.sum(axis=1) == pytest.approx(1, abs=1e-6)
    assert ((targets > 0).sum(axis=1) <= 2).all()
    assert (targets.diagonal() >= 0.48).all()  # a box of half the area has whole pixels


@pytest.mark.parametrize("count", [2, 3, 50, 51])
def test_each_image_is_the_partner_of_one_other(count: int) -> None:
    _, targets = mixed(STILL.model_copy(update={"mixup": 8.0}), count)
    others = partners(targets)
    assert (others != np.arange(count)).all()
    assert sorted(others) == list(range(count))


def test_mixup_adds_images_in_the_shares_of_their_targets() -> None:
    images, targets = mixed(MIXUP)
    assert images.dtype == np.uint8
    expected = targets @ flat()[:, 0, 0, 0].astype(float)
    assert np.abs(images - expected[:, None, None, None]).max() <= 0.5 + 1e-4
    assert (images == images[:, :1, :1]).all()


def test_cutmix_fills_a_box_whose_area_is_the_share_of_its_target() -> None:
    images, targets = mixed(CUTMIX)
    others = partners(targets)
    for index in range(COUNT):
        foreign = (images[index] != 4 * index).all(axis=2)
        assert foreign.mean() == pytest.approx(1 - targets[index, index], abs=1e-6)
        assert (images[index][foreign] == 4 * others[index]).all()
        rows, columns = foreign.any(axis=1), foreign.any(axis=0)
        assert foreign.sum() == rows.sum() * columns.sum()  # one rectangle


def test_with_both_each_image_draws_one_of_them() -> None:
    images, targets = mixed(BOTH)
    by_box = np.array([(image == image[0, 0]).all() for image in images]) == (targets.diagonal() == 1)
    assert 0.25 < by_box.mean() < 0.75
    for settings, chosen in ((CUTMIX, by_box), (MIXUP, ~by_box)):
        assert np.array_equal(images[chosen], mixed(settings)[0][chosen])
        assert np.array_equal(targets[chosen], mixed(settings)[1][chosen])


def test_a_batch_of_one_stays_as_it_is() -> None:
    images, targets = mixed(BOTH, count=1)
    assert np.array_equal(images, flat(1))
    assert targets == pytest.approx(1)


def test_the_images_that_are_mixed_are_not_changed() -> None:
    samples = flat().copy()
    mix(samples, np.eye(COUNT, dtype=np.float32), uniform(7, 0, Stream.MIXING, COUNT, DRAWS), BOTH)
    assert np.array_equal(samples, flat())
