import itertools

import numpy as np
import pytest

from facesent.data.pipeline import Examples, TrainingBatches, class_weights, targets_of
from facesent.params import Augment

SETTINGS = Augment(flip=True, rotation=15, zoom=0.2, shift=0.1)
STILL = Augment(flip=False, rotation=0, zoom=0, shift=0)


def examples(count: int) -> Examples:
    """Image ``i`` is flat with the value ``i``."""
    values = np.arange(count, dtype=np.uint8)
    return Examples(np.broadcast_to(values[:, None, None, None], (count, 8, 8, 3)), values.astype(np.int64))


@pytest.mark.parametrize("count", [1, 8, 9, 33])
def test_an_epoch_holds_each_image_once(count: int) -> None:
    batches = TrainingBatches(examples(count), 8, STILL, seed=7)
    seen = list(batches.epoch(0))
    assert len(seen) == len(batches)
    assert sorted(np.concatenate([targets for _, targets in seen])) == list(range(count))
    assert all(np.array_equal(images[:, 0, 0, 0], targets) for images, targets in seen)


def test_batches_differ_by_one_image_at_most() -> None:
    sizes = [len(targets) for _, targets in TrainingBatches(examples(33), 8, STILL, seed=7).epoch(0)]
    assert max(sizes) <= 8
    assert max(sizes) - min(sizes) <= 1


def test_epochs_differ_in_order_and_repeat_by_seed() -> None:
    batches = TrainingBatches(examples(40), 8, SETTINGS, seed=7)
    first, again, second = (list(batches.epoch(epoch)) for epoch in (0, 0, 1))
    assert all(np.array_equal(a[0], b[0]) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0][1], second[0][1])


def test_the_stream_that_starts_later_goes_on_as_the_whole_one() -> None:
    noise = np.random.default_rng(1).integers(0, 255, (20, 8, 8, 3), dtype=np.uint8)
    batches = TrainingBatches(Examples(noise, np.arange(20)), 8, SETTINGS, seed=7)
    whole = list(itertools.islice(batches.prefetched(0).as_numpy_iterator(), 3 * len(batches)))
    late = list(itertools.islice(batches.prefetched(2).as_numpy_iterator(), len(batches)))
    for (images, targets), (late_images, late_targets) in zip(whole[-len(batches) :], late, strict=True):
        assert np.array_equal(images, late_images)
        assert np.array_equal(targets, late_targets)


def test_class_weights_make_classes_count_alike() -> None:
    targets = np.array([0] * 10 + [1] * 30)
    weights = class_weights(targets, 2)
    assert weights[0] * 10 == pytest.approx(weights[1] * 30)
    assert np.mean([weights[int(target)] for target in targets]) == pytest.approx(1)


def test_an_unknown_class_is_named() -> None:
    with pytest.raises(ValueError, match=r"Received: \['Bored'\]"):
        targets_of(["Happy", "Bored"], ["Happy", "Sad"])
