import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from facesent.data.decoded import DecodedImages
from facesent.data.pipeline import Batch, Examples, TrainingBatches, TrainingExamples, class_weights, targets_of
from facesent.data.spill import MEMORY_BUDGET
from facesent.params import Augment

SETTINGS = Augment(flip=True, rotation=15, zoom=0.2, shift=0.1)
STILL = Augment(flip=False, rotation=0, zoom=0, shift=0)


def examples(count: int) -> Examples:
    """Image ``i`` is flat with the value ``i``."""
    values = np.arange(count, dtype=np.uint8)
    return Examples(np.broadcast_to(values[:, None, None, None], (count, 8, 8, 3)), values.astype(np.int64))


def ragged(count: int, *, budget: int = MEMORY_BUDGET, spill: Path | None = None) -> TrainingExamples:
    """Noise of many sizes."""
    chance = np.random.default_rng(1)
    noise = [chance.integers(0, 255, (*chance.integers(8, 26, 2), 3), dtype=np.uint8) for _ in range(count)]
    images = DecodedImages(noise.__getitem__, count, 16, budget=budget, spill=spill)
    return TrainingExamples(images, np.arange(count))


def epoch(batches: TrainingBatches, index: int, *, threads: int | None = None) -> list[Batch]:
    return list(batches.stream(index, epochs=1, threads=threads))


def assert_same(some: list[Batch] | Iterator[Batch], others: list[Batch]) -> None:
    for (images, targets), (other_images, other_targets) in zip(some, others, strict=True):
        assert np.array_equal(images, other_images)
        assert np.array_equal(targets, other_targets)


@pytest.mark.parametrize("count", [1, 8, 9, 33])
def test_an_epoch_holds_each_image_once(count: int) -> None:
    seen = epoch(TrainingBatches(examples(count), 8, STILL, seed=7), 0)
    assert sorted(np.concatenate([targets for _, targets in seen])) == list(range(count))
    assert all(np.array_equal(images[:, 0, 0, 0], targets) for images, targets in seen)


def test_batches_differ_by_one_image_at_most() -> None:
    sizes = [len(targets) for _, targets in epoch(TrainingBatches(examples(33), 8, STILL, seed=7), 0)]
    assert max(sizes) <= 8
    assert max(sizes) - min(sizes) <= 1


def test_epochs_differ_in_order_and_repeat_by_seed() -> None:
    batches = TrainingBatches(examples(40), 8, SETTINGS, seed=7)
    first, again, second = (epoch(batches, index) for index in (0, 0, 1))
    assert_same(first, again)
    assert not np.array_equal(first[0][1], second[0][1])


def test_images_of_any_size_become_squares_of_bytes() -> None:
    for images, targets in epoch(TrainingBatches(ragged(20), 8, SETTINGS, seed=7), 0):
        assert images.shape == (len(targets), 16, 16, 3)
        assert images.dtype == np.uint8


@pytest.mark.parametrize("threads", [2, 5])
def test_batches_do_not_depend_on_the_number_of_threads(threads: int) -> None:
    batches = TrainingBatches(ragged(40), 8, SETTINGS, seed=7)
    assert_same(epoch(batches, 0, threads=1), epoch(batches, 0, threads=threads))


@pytest.mark.parametrize("budget", [0, 20_000])
def test_batches_do_not_depend_on_where_images_are_kept(tmp_path: Path, budget: int) -> None:
    in_memory = TrainingBatches(ragged(40), 8, SETTINGS, seed=7)
    on_disk = TrainingBatches(ragged(40, budget=budget, spill=tmp_path), 8, SETTINGS, seed=7)
    for index in range(2):
        assert_same(epoch(on_disk, index), epoch(in_memory, index))


def test_batches_do_not_depend_on_whether_images_were_used_before() -> None:
    used = TrainingBatches(ragged(40), 8, SETTINGS, seed=7)
    first, again = epoch(used, 0), epoch(used, 0)
    assert_same(first, again)


def test_the_stream_that_starts_later_goes_on_as_the_whole_one() -> None:
    batches = TrainingBatches(ragged(20), 8, SETTINGS, seed=7)
    whole = list(batches.stream(0, epochs=3))
    assert len(whole) == 3 * len(batches)
    assert_same(whole[-len(batches) :], epoch(batches, 2))


def test_the_stream_has_no_end() -> None:
    batches = TrainingBatches(examples(3), 8, STILL, seed=7)
    stream = batches.stream(0)
    assert len(list(itertools.islice(stream, 50))) == 50
    stream.close()


def test_tensors_are_the_stream() -> None:
    batches = TrainingBatches(ragged(20), 8, SETTINGS, seed=7)
    tensors = itertools.islice(batches.prefetched(2, []).as_numpy_iterator(), len(batches))
    assert_same(tensors, epoch(batches, 2))


def test_class_weights_make_classes_count_alike() -> None:
    targets = np.array([0] * 10 + [1] * 30)
    weights = class_weights(targets, 2)
    assert weights[0] * 10 == pytest.approx(weights[1] * 30)
    assert np.mean([weights[int(target)] for target in targets]) == pytest.approx(1)


def test_an_unknown_class_is_named() -> None:
    with pytest.raises(ValueError, match=r"Received: \['Bored'\]"):
        targets_of(["Happy", "Bored"], ["Happy", "Sad"])
