"""Batches for training: images kept as bytes, shuffled and augmented anew each epoch."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, count
from math import ceil
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from facesent.data.augmentation import augment, draw
from facesent.data.images import Pixels
from facesent.params import Augment

if TYPE_CHECKING:
    import tensorflow as tf

Targets = NDArray[np.int64]
Batch = tuple[Pixels, Targets]

_SHUFFLE = 1 << 32
_BATCHES_AHEAD = 4


@dataclass(frozen=True)
class Examples:
    """Images with their classes.

    Attributes:
        images: ``(n, side, side, 3)``.
        targets: ``(n,)``, index into the labels.
    """

    images: Pixels
    targets: Targets


@dataclass(frozen=True)
class TrainingBatches:
    """Endless training batches; what they hold depends on the seed, the epoch and the image's index alone.

    Attributes:
        examples: the training images.
        batch_size: images a batch at most; batches differ by one image, so that none is too small to normalise.
        settings: ranges of the augmentation.
        seed: of order and augmentation.
    """

    examples: Examples
    batch_size: int
    settings: Augment
    seed: int

    def __len__(self) -> int:
        """Batches an epoch."""
        return ceil(len(self.examples.targets) / self.batch_size)

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """The batches of one epoch: ``(n, side, side, 3)`` images and ``(n,)`` targets."""
        images = len(self.examples.targets)
        draws = draw(self.seed, epoch, images)
        shuffle = np.random.Generator(np.random.Philox(key=[self.seed, _SHUFFLE + epoch]))
        for chosen in np.array_split(shuffle.permutation(images), len(self)):
            warped = [augment(self.examples.images[i], draws[i], self.settings) for i in chosen]
            yield np.stack(warped), self.examples.targets[chosen]

    def prefetched(self, first_epoch: int) -> "tf.data.Dataset":
        """All epochs from ``first_epoch`` on, as one endless stream that is filled beside the training."""
        import tensorflow as tf

        return tf.data.Dataset.from_generator(
            lambda: chain.from_iterable(map(self.epoch, count(first_epoch))),
            output_signature=(
                tf.TensorSpec((None, *self.examples.images.shape[1:]), tf.uint8),
                tf.TensorSpec((None,), tf.int64),
            ),
        ).prefetch(_BATCHES_AHEAD)


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
