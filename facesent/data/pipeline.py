"""Batches for training: images kept as decoded, shuffled and augmented anew each epoch."""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, count, islice
from math import ceil
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from facesent.data.augmentation import affine_matrices, augment, draw
from facesent.data.decoded import DecodedImages
from facesent.data.images import Pixels
from facesent.data.threads import map_ahead
from facesent.errors import FacesentError
from facesent.params import Augment

if TYPE_CHECKING:
    import tensorflow as tf

Targets = NDArray[np.int64]
Batch = tuple[Pixels, Targets]

_SHUFFLE = 1 << 32


@dataclass(frozen=True)
class Examples:
    """Square images with their classes, as they are scored.

    Attributes:
        images: ``(n, side, side, 3)``.
        targets: ``(n,)``, index into the labels.
    """

    images: Pixels
    targets: Targets

    @property
    def side(self) -> int:
        """Of the images in pixels."""
        return int(self.images.shape[1])


@dataclass(frozen=True)
class TrainingExamples:
    """Images of any sizes with their classes, to make samples of.

    Attributes:
        images: ``n`` images.
        targets: ``(n,)``, index into the labels.
    """

    images: DecodedImages
    targets: Targets

    @property
    def side(self) -> int:
        """Of the samples in pixels."""
        return self.images.side


@dataclass(frozen=True)
class TrainingBatches:
    """Endless training batches; what they hold depends on the seed, the epoch and the image's index alone.

    Attributes:
        examples: the training images.
        batch_size: images a batch at most; batches differ by one image, so that none is too small to normalise.
        settings: ranges of the augmentation.
        seed: of order and augmentation.
    """

    examples: TrainingExamples | Examples
    batch_size: int
    settings: Augment
    seed: int

    def __len__(self) -> int:
        """Batches an epoch."""
        return ceil(len(self.examples.targets) / self.batch_size)

    def stream(
        self, first_epoch: int, *, epochs: int | None = None, threads: int | None = None
    ) -> Generator[Batch, None, None]:
        """Epochs from ``first_epoch`` on: ``(n, side, side, 3)`` images and ``(n,)`` targets.

        Batches are made in threads beside the training, also those of the next epoch while one ends.

        Args:
            first_epoch: 0 or more.
            epochs: how many; by default without end.
            threads: by default as many as cores; the batches do not depend on it.
        """
        jobs = chain.from_iterable(map(self._epoch, islice(count(first_epoch), epochs)))
        return map_ahead(self._batch, jobs, threads=threads)

    def prefetched(self, first_epoch: int, failures: list[FacesentError]) -> "tf.data.Dataset":
        """``stream`` in the form in which Keras takes class weights, one batch of it as tensors already.

        Args:
            first_epoch: 0 or more.
            failures: takes what an image raised; tf.data raises an error of its own, with ours as text.
        """
        import tensorflow as tf

        def batches() -> Iterator[Batch]:
            try:
                yield from self.stream(first_epoch)
            except FacesentError as error:
                failures.append(error)
                raise

        side = self.examples.side
        signature = (tf.TensorSpec((None, side, side, 3), tf.uint8), tf.TensorSpec((None,), tf.int64))
        return tf.data.Dataset.from_generator(batches, output_signature=signature).prefetch(1)

    def _epoch(self, epoch: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64]]]:
        """For each batch which images, and the numbers that decide about their augmentation."""
        images = len(self.examples.targets)
        draws = draw(self.seed, epoch, images)
        shuffle = np.random.Generator(np.random.Philox(key=[self.seed, _SHUFFLE + epoch]))
        for chosen in np.array_split(shuffle.permutation(images), len(self)):
            yield chosen, draws[chosen]

    def _batch(self, job: tuple[NDArray[np.int64], NDArray[np.float64]]) -> Batch:
        chosen, draws = job
        side = self.examples.side
        samples = np.empty((len(chosen), side, side, 3), np.uint8)
        for index, matrix, sample in zip(chosen, affine_matrices(draws, self.settings, side), samples, strict=True):
            augment(self.examples.images[index], matrix, sample)
        return samples, self.examples.targets[chosen]


def class_weights(targets: Targets, classes: int) -> dict[int, float]:
    """Weights that make each class count alike: ``n / (classes * n_class)``.

    Source: King and Zeng, Logistic regression in rare events data, 2001; scikit-learn's "balanced".
    """
    counts = np.bincount(targets, minlength=classes)
    return {index: float(len(targets) / (classes * max(count, 1))) for index, count in enumerate(counts)}


def targets_of(names: Sequence[str], labels: Sequence[str]) -> Targets:
    """Indices of ``names`` in ``labels``.

    Raises:
        ValueError: for a name that is no label.
    """
    index = {label: i for i, label in enumerate(labels)}
    if unknown := sorted(set(names) - set(index)):
        raise ValueError(f"Expected the classes {list(labels)}. Received: {unknown}")
    return np.array([index[name] for name in names], dtype=np.int64)
