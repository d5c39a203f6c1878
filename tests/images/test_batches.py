import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from facesent.images.augmentation.geometry import affine_matrices, warp
from facesent.images.augmentation.settings import Augment
from facesent.images.batches import (
    Batch,
    Examples,
    TrainingBatches,
    TrainingExamples,
    class_weights,
    equal_weights,
    one_hot,
    targets_of,
)
from facesent.images.keeping import DecodedImages
from facesent.images.spill import MEMORY_BUDGET

SETTINGS = Augment(flip=True, rotation=15, zoom=0.2, shift=0.1)
STILL = Augment(flip=False, rotation=0, zoom=0, shift=0)
SHARES = ("occlude_eyes", "occlude_mouth", "occlude_box", "low_resolution", "jpeg", "blur", "grey")
RANGES = ("gamma", "contrast", "colour_cast")
UNMIXED = SETTINGS.model_copy(update={**dict.fromkeys(SHARES, 0.5), **dict.fromkeys(RANGES, 0.3)})
ALL = UNMIXED.model_copy(update={"mixup": 0.4, "cutmix": 1.0})


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


def batches_of(some: Examples | TrainingExamples, settings: Augment = ALL, size: int = 8) -> TrainingBatches:
    """With a class an image, so that targets tell which one it is."""
    return TrainingBatches(some, size, settings, 7, equal_weights(len(some.targets)))


def epoch(batches: TrainingBatches, index: int, *, threads: int | None = None) -> list[Batch]:
    return list(batches.stream(index, epochs=1, threads=threads))


def in_order(batches: list[Batch]) -> np.ndarray:
    """All samples in the order of their images, where targets are not mixed."""
    samples = np.concatenate([samples for samples, _, _ in batches])
    return samples[np.argsort(np.concatenate([targets.argmax(axis=1) for _, targets, _ in batches]))]


def assert_same(some: list[Batch] | Iterator[Batch], others: list[Batch]) -> None:
    for batch, other in zip(some, others, strict=True):
        for one, another in zip(batch, other, strict=True):
            assert np.array_equal(one, another)
            assert one.dtype == another.dtype


@pytest.mark.parametrize("count", [1, 8, 9, 33])
def test_an_epoch_holds_each_image_once(count: int) -> None:
    seen = epoch(batches_of(examples(count), STILL), 0)
    indices = [targets.argmax(axis=1) for _, targets, _ in seen]
    assert sorted(np.concatenate(indices)) == list(range(count))
    assert all(np.array_equal(batch[0][:, 0, 0, 0], index) for batch, index in zip(seen, indices, strict=True))
    assert all(np.array_equal(np.unique(targets), [0, 1][-min(count, 2) :]) for _, targets, _ in seen)


def test_batches_differ_by_one_image_at_most() -> None:
    sizes = [len(samples) for samples, _, _ in epoch(batches_of(examples(33)), 0)]
    assert max(sizes) <= 8
    assert max(sizes) - min(sizes) <= 1


def test_epochs_differ_in_order_and_repeat_by_seed() -> None:
    batches = batches_of(examples(40))
    first, again, second = (epoch(batches, index) for index in (0, 0, 1))
    assert_same(first, again)
    assert not np.array_equal(first[0][1], second[0][1])


def test_what_is_learned_of_an_image_goes_with_it_mixed_as_a_class_would_be() -> None:
    some = examples(40)
    soft = np.random.default_rng(1).dirichlet(np.ones(40), 40).astype(np.float32)
    weights = np.linspace(1, 2, 40, dtype=np.float32)
    for settings in (STILL, STILL.model_copy(update={"mixup": 0.4})):
        of_classes, of_soft = (
            epoch(TrainingBatches(some, 8, settings, 7, weights, soft=learned), 0) for learned in (None, soft)
        )
        for (images, classes, _), (same, targets, counted) in zip(of_classes, of_soft, strict=True):
            assert np.array_equal(images, same)
            assert targets == pytest.approx(classes @ soft, abs=1e-6)
            assert counted == pytest.approx(targets @ weights)


def test_without_the_other_augmentations_samples_are_warped_alone() -> None:
    """As seed, epoch and index decided before there were others: nobody's training changes."""
    some = ragged(20)
    order = np.random.Generator(np.random.Philox(key=[7, (1 << 32) + 3])).permutation(20)
    numbers = np.random.Generator(np.random.Philox(key=[7, 3])).random((20, 6))
    expected = np.zeros((20, 16, 16, 3), np.uint8)
    for index, sample in zip(order, expected, strict=True):
        warp(some.images[index], affine_matrices(numbers[index][None], SETTINGS, 16)[0], sample)
    seen = epoch(batches_of(some, SETTINGS), 3)
    assert np.array_equal(np.concatenate([samples for samples, _, _ in seen]), expected)
    assert np.array_equal(np.concatenate([targets.argmax(axis=1) for _, targets, _ in seen]), order)


def test_a_sample_does_not_depend_on_the_size_of_its_batch() -> None:
    small, large = (epoch(batches_of(ragged(40), UNMIXED, size), 1) for size in (3, 40))
    assert np.array_equal(in_order(small), in_order(large))


def test_images_of_any_size_become_squares_of_bytes() -> None:
    for images, targets, weights in epoch(batches_of(ragged(20)), 0):
        assert images.shape == (len(targets), 16, 16, 3)
        assert images.dtype == np.uint8
        assert targets.dtype == weights.dtype == np.float32
        assert weights.shape == (len(targets),)


@pytest.mark.parametrize("threads", [2, 5])
def test_batches_do_not_depend_on_the_number_of_threads(threads: int) -> None:
    batches = batches_of(ragged(40))
    assert_same(epoch(batches, 0, threads=1), epoch(batches, 0, threads=threads))


@pytest.mark.parametrize("budget", [0, 20_000])
def test_batches_do_not_depend_on_where_images_are_kept(tmp_path: Path, budget: int) -> None:
    in_memory = batches_of(ragged(40))
    on_disk = batches_of(ragged(40, budget=budget, spill=tmp_path))
    for index in range(2):
        assert_same(epoch(on_disk, index), epoch(in_memory, index))


def test_batches_do_not_depend_on_whether_images_were_used_before() -> None:
    used = batches_of(ragged(40))
    first, again = epoch(used, 0), epoch(used, 0)
    assert_same(first, again)


def test_the_stream_that_starts_later_goes_on_as_the_whole_one() -> None:
    batches = batches_of(ragged(20))
    whole = list(batches.stream(0, epochs=3))
    assert len(whole) == 3 * len(batches)
    assert_same(whole[-len(batches) :], epoch(batches, 2))


def test_the_stream_has_no_end() -> None:
    batches = batches_of(examples(3), STILL)
    stream = batches.stream(0)
    assert len(list(itertools.islice(stream, 50))) == 50
    stream.close()


def test_tensors_are_the_stream() -> None:
    batches = batches_of(ragged(20))
    tensors = itertools.islice(batches.prefetched(2, []).as_numpy_iterator(), len(batches))
    assert_same(tensors, epoch(batches, 2))


@pytest.mark.parametrize("settings", [SETTINGS, ALL])
def test_weights_follow_the_targets(settings: Augment) -> None:
    some = ragged(40)
    three = TrainingExamples(some.images, some.targets % 3)
    weights = np.array([1, 10, 100], np.float32)
    for _, targets, seen in epoch(TrainingBatches(three, 8, settings, 7, weights), 0):
        assert targets.shape == (len(seen), 3)
        assert targets.sum(axis=1) == pytest.approx(1, abs=1e-6)
        assert seen == pytest.approx((targets * weights).sum(axis=1), rel=1e-6)


def test_class_weights_make_classes_count_alike() -> None:
    targets = np.array([0] * 10 + [1] * 30)
    weights = class_weights(targets, 2)
    assert weights.dtype == np.float32
    assert weights[0] * 10 == pytest.approx(weights[1] * 30)
    assert weights[targets].mean() == pytest.approx(1)


def test_a_class_without_images_has_a_weight() -> None:
    assert np.isfinite(class_weights(np.array([0, 0, 2]), 4)).all()


def test_one_hot_targets_are_certain() -> None:
    assert np.array_equal(one_hot(np.array([2, 0]), 3), [[0, 0, 1], [1, 0, 0]])


def test_an_unknown_class_is_named() -> None:
    with pytest.raises(ValueError, match=r"Received: \['Bored'\]"):
        targets_of(["Happy", "Bored"], ["Happy", "Sad"])
