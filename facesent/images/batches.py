"""Batches for training: images kept as decoded, shuffled and augmented anew each epoch."""

import hashlib
import os
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, count, islice
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from facesent.core.console import progress_of
from facesent.core.errors import FacesentError
from facesent.images.augmentation import mixing
from facesent.images.augmentation.draws import Draws, Stream, generator
from facesent.images.augmentation.mixing import SoftTargets
from facesent.images.augmentation.samples import draw, make_samples
from facesent.images.augmentation.settings import Augment
from facesent.images.keeping import DecodedImages, decoded_files
from facesent.images.reading import ImageError, Pixels, read_content, read_images, resize
from facesent.images.threads import map_ahead

if TYPE_CHECKING:
    import tensorflow as tf

Targets = NDArray[np.int64]
Weights = NDArray[np.float32]
Batch = tuple[Pixels, SoftTargets, Weights]
RowsOfBatch = Callable[[int], slice]


@dataclass
class ValidatedFile:
    """An image file that has to be the one that was validated: a model of others would bear the wrong hashes.

    Attributes:
        path: of the file.
        sha256: of the content that was validated.
    """

    path: Path
    sha256: str
    _as_read: tuple[int, ...] | None = field(default=None, init=False)

    def read_bytes(self) -> bytes:
        """The content.

        Raises:
            ImageError: it is another one, or cannot be read.
        """
        try:
            # Before the content: a change in between is seen in the end.
            as_read = _stamp(self.path.stat())
            content = read_content(self.path)
        except OSError as error:
            raise ImageError(
                f"Expected the image that was validated. Received: {error.strerror or error}. Run: dvc repro"
            ) from None
        if hashlib.sha256(content).hexdigest() != self.sha256:
            raise ImageError("Expected the image that was validated. Received: different content. Run: dvc repro")
        self._as_read = as_read
        return content

    def require_unchanged(self) -> None:
        """See to it that the file has this content still, by its size and time, or else by reading it.

        Raises:
            ImageError: it is gone or has another one.
        """
        try:
            if self._as_read != _stamp(self.path.stat()):
                self.read_bytes()
        except (OSError, ImageError):
            raise ImageError(
                f"{self.path}: Expected the image to stay unchanged during the training. Received: different content, "
                "or no file. Run: dvc repro"
            ) from None

    def __str__(self) -> str:
        return str(self.path)


def _stamp(found: os.stat_result) -> tuple[int, ...]:
    return found.st_ino, found.st_size, found.st_mtime_ns


@dataclass(frozen=True)
class Examples:
    """Square images with their classes, as they are scored.

    Attributes:
        images: ``(n, side, side, 3)``.
        targets: ``(n,)``, index into the labels.
        files: that the images are read from; none where they were made.
    """

    images: Pixels
    targets: Targets
    files: Sequence[ValidatedFile] = ()

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
        files: that the images are read from.
    """

    images: DecodedImages
    targets: Targets
    files: Sequence[ValidatedFile] = ()

    @property
    def side(self) -> int:
        """Of the samples in pixels."""
        return self.images.side


@dataclass(frozen=True)
class TrainingBatches:
    """Endless training batches; what they hold depends on the seed, the epoch and the image's index alone.

    Which images are mixed depends on the batch size too: both are of one batch.

    Attributes:
        examples: the training images.
        batch_size: images a batch at most; batches differ by one image, so that none is too small to normalise.
        settings: ranges of the augmentation.
        seed: of order and augmentation.
        class_weights: ``(classes,)``, what an image of each class counts.
        share: from a batch's size to the rows that are made, where several processes divide it; by default all.
        soft: ``(images, classes)``, what is learned of each image: a distribution; by default all on its class.
    """

    examples: TrainingExamples | Examples
    batch_size: int
    settings: Augment
    seed: int
    class_weights: Weights
    share: RowsOfBatch = slice
    soft: SoftTargets | None = None

    def __len__(self) -> int:
        """Batches an epoch."""
        return ceil(len(self.examples.targets) / self.batch_size)

    def stream(
        self, first_epoch: int, *, epochs: int | None = None, threads: int | None = None
    ) -> Generator[Batch, None, None]:
        """Epochs from ``first_epoch`` on: images, targets and weights.

        The images are ``(n, side, side, 3)``, the targets ``(n, classes)``, a distribution over the classes an image,
        and the weights ``(n,)``, that of the classes in the targets' shares.

        Batches are made in threads beside the training, also those of the next epoch while one ends.

        Args:
            first_epoch: 0 or more.
            epochs: how many; by default without end.
            threads: by default as many as cores; the batches do not depend on it.
        """
        jobs = chain.from_iterable(map(self._epoch, islice(count(first_epoch), epochs)))
        return map_ahead(self._batch, jobs, threads=threads)

    def unchanged(self) -> Generator[Batch, None, None]:
        """Each image once, in batches as ``stream`` gives them, but resized as images are that are scored."""
        return map_ahead(self._resized, (chosen for chosen, _ in self._epoch(0)))

    def prefetched(self, first_epoch: int, failures: list[FacesentError]) -> "tf.data.Dataset":
        """``stream`` in the form that Keras takes, one batch of it as tensors already.

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

        side, classes = self.examples.side, len(self.class_weights)
        signature = (
            tf.TensorSpec((None, side, side, 3), tf.uint8),
            tf.TensorSpec((None, classes), tf.float32),
            tf.TensorSpec((None,), tf.float32),
        )
        return tf.data.Dataset.from_generator(batches, output_signature=signature).prefetch(1)

    def _epoch(self, epoch: int) -> Iterator[tuple[Targets, Draws]]:
        """For each batch which images, and the numbers that decide about their augmentation."""
        images = len(self.examples.targets)
        draws = draw(self.settings, self.seed, epoch, images)
        order = generator(self.seed, epoch, Stream.ORDER).permutation(images)
        for chosen in np.array_split(order, len(self)):
            yield chosen, {stream: numbers[chosen] for stream, numbers in draws.items()}

    def _batch(self, job: tuple[Targets, Draws]) -> Batch:
        chosen, draws = job
        share = self.share(len(chosen))
        mixed = mixing.is_on(self.settings)
        if not mixed:
            chosen, draws = chosen[share], {stream: numbers[share] for stream, numbers in draws.items()}
        images = (self.examples.images[index] for index in chosen)
        samples = make_samples(images, draws, self.settings, self.examples.side)
        targets = self._targets(chosen)
        if mixed:
            # A partner may be in another process's share, so all are made.
            samples, targets = mixing.mix(samples, targets, draws[Stream.MIXING], self.settings)
            samples, targets = samples[share], targets[share]
        return samples, targets, targets @ self.class_weights

    def _resized(self, chosen: Targets) -> Batch:
        chosen = chosen[self.share(len(chosen))]
        images = np.stack([resize(self.examples.images[index], self.examples.side) for index in chosen])
        targets = self._targets(chosen)
        return images, targets, targets @ self.class_weights

    def _targets(self, chosen: Targets) -> SoftTargets:
        if self.soft is None:
            return one_hot(self.examples.targets[chosen], len(self.class_weights))
        return self.soft[chosen]


def class_weights(targets: Targets, classes: int) -> Weights:
    """Weights that make each class count alike: ``n / (classes * n_class)``.

    Source: King and Zeng, Logistic regression in rare events data, 2001; scikit-learn's "balanced".

    Returns:
        ``(classes,)``.
    """
    counts = np.bincount(targets, minlength=classes)
    return (len(targets) / (classes * np.maximum(counts, 1))).astype(np.float32)


def equal_weights(classes: int) -> Weights:
    """Weights that make each image count alike: ``(classes,)`` ones."""
    return np.ones(classes, np.float32)


def one_hot(targets: Targets, classes: int) -> SoftTargets:
    """All probability on the class that each target names: ``(n, classes)``."""
    return np.eye(classes, dtype=np.float32)[targets]


def targets_of(names: Sequence[str], labels: Sequence[str]) -> Targets:
    """Indices of ``names`` in ``labels``.

    Raises:
        ValueError: for a name that is no label.
    """
    index = {label: i for i, label in enumerate(labels)}
    if unknown := sorted(set(names) - set(index)):
        raise ValueError(f"Expected the classes {list(labels)}. Received: {unknown}")
    return np.array([index[name] for name in names], dtype=np.int64)


def read_examples(
    data: Path, split: pd.DataFrame, labels: Sequence[str], size: int, name: str, *, spill: Path | None = None
) -> Examples:
    """Read the images of a split as they are scored, in its order.

    Args:
        data: the folder that file names are relative to.
        split: as ``read_split`` gives it.
        labels: the classes.
        size: side of the images in pixels.
        name: of the split, for the progress bar.
        spill: folder on a disk for what does not fit in memory; by default the system's for temporary files.

    Raises:
        ImageError: naming the first file that cannot be read, or has another content than its row says.
    """
    files = _files(data, split)
    with progress_of(f"Reading {name}") as bar:
        images = read_images(files, size, spill=spill, progress=bar)
    return Examples(images, targets_of(list(split["label"]), labels), files)


def training_examples(
    data: Path, split: pd.DataFrame, labels: Sequence[str], size: int, *, spill: Path | None = None
) -> TrainingExamples:
    """The images of a split as they are augmented, in its order; each is read when it is first used.

    The arguments are those of ``read_examples``.
    """
    files = _files(data, split)
    images = decoded_files(files, size, spill=spill)
    return TrainingExamples(images, targets_of(list(split["label"]), labels), files)


def _files(data: Path, split: pd.DataFrame) -> list[ValidatedFile]:
    return [
        ValidatedFile(data / name, digest) for name, digest in zip(split["file_name"], split["sha256"], strict=True)
    ]
