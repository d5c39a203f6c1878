"""A trained network with its labels: from images to probabilities."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from facesent.core.console import Progress
from facesent.core.errors import FacesentError
from facesent.images.reading import Pixels, read_image
from facesent.images.rows import UNCERTAIN
from facesent.model.calibration import temperature_of
from facesent.model.inference import Forward, Probabilities, compile_forward, in_batches
from facesent.model.storage import load_labels, load_model
from facesent.prediction.batching import Shared
from facesent.prediction.unlike import Known, with_embedding

if TYPE_CHECKING:
    from facesent.model.backend import keras


class NoAnswerError(FacesentError):
    """The network gives no probabilities: its training had diverged."""


@dataclass(frozen=True)
class Prediction:
    """The answer for one image.

    Attributes:
        label: the likeliest, or ``UNCERTAIN`` where that is less likely than was asked for.
        confidence: the probability of the likeliest label.
        probabilities: of each label in the model's order, or of the likeliest, these first, where that was asked for.
        unlike: whether the image is unlike those that were trained on; None where that was not asked for.
    """

    label: str
    confidence: float
    probabilities: dict[str, float]
    unlike: bool | None = None

    def as_dict(self) -> dict[str, Any]:
        """What is answered: without what was not asked for."""
        return {name: value for name, value in vars(self).items() if value is not None}


class Classifier:
    """Answers what training, the command line and the server ask, with the same preprocessing.

    Args:
        model: from uint8 ``(n, size, size, 3)`` to probabilities ``(n, classes)``.
        labels: the classes in the order of the model's outputs.
        known: the training images, for those who ask what is unlike them.
    """

    def __init__(self, model: "keras.Model", labels: Sequence[str], known: Known | None = None) -> None:
        if model.output_shape[-1] != len(labels):
            raise ValueError(f"Expected {model.output_shape[-1]} labels. Received: {list(labels)}")
        self.labels = list(labels)
        self.image_size: int = model.input_shape[1]
        self.temperature = temperature_of(model)
        self._known = known
        self._forward: Forward = compile_forward(with_embedding(model) if known else model)

    @classmethod
    def load(cls, model: Path, labels: Path, known: Path | None = None) -> "Classifier":
        """Read the two files that the stage ``train`` writes, and what a version may keep beside them."""
        return cls(load_model(model), load_labels(labels), Known.load(known) if known else None)

    def probabilities(self, images: Pixels, *, batch_size: int = 64, progress: Progress | None = None) -> Probabilities:
        """Score prepared images: ``(n, size, size, 3)`` to ``(n, classes)``; ``progress`` takes those done and all.

        Raises:
            NoAnswerError: what comes out is not finite.
        """
        return self._outputs(images, batch_size, progress)[:, : len(self.labels)]

    def _outputs(self, images: Pixels, batch_size: int = 64, progress: Progress | None = None) -> Probabilities:
        """Probabilities, and the embeddings behind them where training images are known."""
        batches = in_batches(self._forward, images, batch_size, progress)
        scores = np.concatenate(batches) if batches else np.empty((0, len(self.labels)), np.float32)
        if unanswered := int((~np.isfinite(scores)).any(axis=1).sum()):
            raise NoAnswerError(
                f"Expected finite probabilities from the network. Received: others for {unanswered} of {len(scores)} "
                "images. Its training diverged: lower train.optimizer.learning_rate and train it again."
            )
        return scores

    def read(self, content: bytes) -> Pixels:
        """Prepare the bytes of an image file as the network takes it: ``(size, size, 3)``.

        Raises:
            ImageError: if they are no image that can be read.
        """
        return read_image(content, self.image_size)

    def predict(
        self, images: Sequence[Pixels], *, min_confidence: float = 0.0, top_k: int = 0, unlike: str = "none"
    ) -> list[Prediction]:
        """Answer for images that ``read`` prepared.

        Args:
            images: each ``(size, size, 3)``.
            min_confidence: answers that are less sure are ``UNCERTAIN``.
            top_k: name only so many of the likeliest labels, these first; 0 for all, in the model's order.
            unlike: "mark" for what is unlike the training images, where these are known; "uncertain" to answer so.
        """
        if not images:
            return []
        outputs, classes = self._outputs(np.array(images)), len(self.labels)
        found = [self._prediction(row, min_confidence, top_k) for row in outputs[:, :classes]]
        if not self._known or unlike == "none":
            return found
        marks = self._known.unlike(outputs[:, classes:]).tolist()
        found = [replace(one, unlike=mark) for one, mark in zip(found, marks, strict=True)]
        return [replace(one, label=UNCERTAIN) if one.unlike and unlike == UNCERTAIN else one for one in found]

    def warm_up(self, sizes: Sequence[int] = (1, 64)) -> None:
        """Run the network on batches of these sizes, so that the first answers are as quick as the others."""
        for size in sizes:
            self.probabilities(np.zeros((size, self.image_size, self.image_size, 3), np.uint8))

    def share_passes(self) -> None:
        """From now on let threads that ask at once share a pass of the network."""
        self._forward = Shared(self._forward)

    def _prediction(self, row: NDArray[np.float32], min_confidence: float, top_k: int) -> Prediction:
        best = int(row.argmax())
        confidence = float(row[best])
        label = self.labels[best] if confidence >= min_confidence else UNCERTAIN
        # Stable: of equally likely labels the first stays first, as argmax has it.
        named = np.argsort(-row, kind="stable")[:top_k] if top_k else range(len(row))
        return Prediction(label, confidence, {self.labels[index]: float(row[index]) for index in named})
