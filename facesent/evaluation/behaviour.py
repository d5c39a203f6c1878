"""Whether a trained model behaves: harmless changes of an image keep its answer, a covered mouth costs a smile.

Source: Ribeiro et al., Beyond Accuracy: Behavioral Testing of NLP Models with CheckList, 2020 (invariance and
directional expectation tests).
"""

import io
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facesent.images.reading import Pixels

Score = Callable[[Pixels], NDArray[np.floating[Any]]]

_SHIFT = 0.05
_BRIGHTNESS = 0.15
_JPEG_QUALITY = 40
# Where the mouth of a face that fills the image is, as shares of its height and width.
_MOUTH_ROWS = (0.62, 0.88)
_MOUTH_COLUMNS = (0.2, 0.8)

_PART = 256


@dataclass(frozen=True)
class Covered:
    """What covering the mouth does to the images that are answered with a smile, rightly.

    Attributes:
        images: how many those are.
        confidence: their mean probability of the smile.
        confidence_covered: the same with the mouth covered.
    """

    images: int
    confidence: float
    confidence_covered: float

    @property
    def fall(self) -> float:
        """How much probability the smile lost, in the mean."""
        return self.confidence - self.confidence_covered


@dataclass(frozen=True)
class Behaviour:
    """How a model answers changed images.

    Attributes:
        kept: change to the share of images that get the same answer as before it.
        smile: what a covered mouth does; None without a class for it, or where no such image is answered rightly.
    """

    kept: dict[str, float]
    smile: Covered | None

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        covered = {"smile_covered": {**asdict(self.smile), "fall": self.smile.fall}} if self.smile else {}
        return {"kept": dict(self.kept), **covered}


def mirrored(images: Pixels) -> Pixels:
    """Left and right changed: ``(n, side, side, 3)``, as all functions here take and give."""
    return np.ascontiguousarray(images[:, :, ::-1])


def shifted(images: Pixels, share: float = _SHIFT) -> Pixels:
    """Moved to the right and down by ``share`` of the side, at least a pixel; the edge is repeated."""
    pixels = max(1, round(share * images.shape[1]))
    padded = np.pad(images, ((0, 0), (pixels, 0), (pixels, 0), (0, 0)), mode="edge")
    return np.ascontiguousarray(padded[:, :-pixels, :-pixels])


def brightened(images: Pixels, share: float = _BRIGHTNESS) -> Pixels:
    """All values raised by ``share`` of themselves, and cut at white; a negative share darkens."""
    table = np.clip(np.rint(np.arange(256) * (1 + share)), 0, 255).astype(np.uint8)
    return np.asarray(table[images])


def compressed(images: Pixels, quality: int = _JPEG_QUALITY) -> Pixels:
    """Saved as JPEG of ``quality`` (1..95) and read again."""
    return np.stack([_through_jpeg(image, quality) for image in images]) if len(images) else images.copy()


def mouth_covered(images: Pixels) -> Pixels:
    """A box in the image's mean colour over where the mouth of a face that fills the image is."""
    side = images.shape[1]
    (top, bottom), (left, right) = ([round(edge * side) for edge in edges] for edges in (_MOUTH_ROWS, _MOUTH_COLUMNS))
    covered = images.copy()
    colour = np.rint(images.mean(axis=(1, 2), keepdims=True)).astype(np.uint8)
    covered[:, top:bottom, left:right] = colour
    return covered


# What must not matter to the answer.
HARMLESS: dict[str, Callable[[Pixels], Pixels]] = {
    "mirror": mirrored,
    "shift": shifted,
    "brighter": brightened,
    "darker": lambda images: brightened(images, -_BRIGHTNESS),
    "jpeg": compressed,
}


def measure_behaviour(
    score: Score,
    images: Pixels,
    targets: NDArray[np.int64],
    smile: int | None = None,
    *,
    before: NDArray[np.floating[Any]] | None = None,
) -> Behaviour:
    """Score images before and after each change.

    Args:
        score: from ``(n, side, side, 3)`` to probabilities ``(n, classes)``.
        images: ``(n, side, side, 3)``, at least one.
        targets: ``(n,)`` indices of the true classes.
        smile: index of the class that is told by its mouth, if there is one.
        before: what ``score`` gives for ``images``, where it is known.

    Raises:
        ValueError: no images.
    """
    if not len(images):
        raise ValueError("Expected at least one image to change. Received: none.")
    scores = score(images) if before is None else before
    kept = {name: kept_share(scores, _scored(score, images, change)) for name, change in HARMLESS.items()}
    return Behaviour(kept, None if smile is None else _smile(score, images, targets, smile, scores))


def kept_share(before: NDArray[np.floating[Any]], after: NDArray[np.floating[Any]]) -> float:
    """Share of the rows of ``before`` and ``after`` (``(n, classes)``) that have the same likeliest class."""
    return float((before.argmax(axis=1) == after.argmax(axis=1)).mean())


def _smile(
    score: Score, images: Pixels, targets: NDArray[np.int64], smile: int, scores: NDArray[np.floating[Any]]
) -> Covered | None:
    smiling = (targets == smile) & (scores.argmax(axis=1) == smile)
    if not smiling.any():
        return None
    covered = _scored(score, images[smiling], mouth_covered)
    return Covered(int(smiling.sum()), float(scores[smiling, smile].mean()), float(covered[:, smile].mean()))


def _scored(score: Score, images: Pixels, change: Callable[[Pixels], Pixels]) -> NDArray[np.floating[Any]]:
    """Changed in parts: the images may lie on a disk because memory has no room for them."""
    starts = range(0, len(images), _PART)
    return np.concatenate([score(change(images[start : start + _PART])) for start in starts])


def _through_jpeg(image: Pixels, quality: int) -> Pixels:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer), dtype=np.uint8)
