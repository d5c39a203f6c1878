"""The answers of a network for many photos, in their order."""

from collections.abc import Generator, Iterable
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from facesent.asking.photos import Photo, prepared
from facesent.core.cropping import DEFAULT_CROP, Crop
from facesent.images.reading import ImageError, Pixels
from facesent.images.threads import map_ahead
from facesent.prediction.faces import Box

if TYPE_CHECKING:
    from facesent.prediction.classifier import Classifier

BATCH = 32
"""Photos in one pass of the network."""


@dataclass(frozen=True)
class Answer:
    """What a version says of a photo.

    Attributes:
        label: the likeliest class, or "uncertain" where that is less likely than ``min_confidence``.
        confidence: the probability of the likeliest class, 0 to 1.
        probabilities: of each class in the network's order, or with ``top_k`` of the likeliest, these first.
        version: the number in the registry.
        box: the face that was looked at, in pixels of the upright photo; None for the whole photo.
    """

    label: str
    confidence: float
    probabilities: dict[str, float]
    version: int
    box: Box | None = None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Wish:
    """How photos are to be answered.

    Attributes:
        min_confidence: 0 to 1; answers that are less sure are "uncertain".
        top_k: name only so many of the likeliest classes; 0 for all.
        crop: "largest" to look at the largest face of a photo alone, if one is found.
    """

    min_confidence: float
    top_k: int = 0
    crop: Crop = DEFAULT_CROP


def answers(
    classifier: "Classifier", version: int, photos: Iterable[Photo | ImageError], wish: Wish
) -> Generator[Answer | ImageError, None, None]:
    """Answer each photo, or say why it cannot be read, in their order; a batch is in memory at a time.

    Args:
        classifier: of the version.
        version: its number.
        photos: as ``prepared`` takes them, or why there is none.
        wish: how.

    Raises:
        NoAnswerError: the network gives no probabilities.
    """
    read = partial(_read, size=classifier.image_size, crop=wish.crop)
    with closing(map_ahead(read, photos, ahead=BATCH)) as prepared_ahead:
        while batch := list(islice(prepared_ahead, BATCH)):
            pixels = [photo[0] for photo in batch if not isinstance(photo, ImageError)]
            found = iter(classifier.predict(pixels, min_confidence=wish.min_confidence, top_k=wish.top_k))
            for photo in batch:
                if isinstance(photo, ImageError):
                    yield photo
                else:
                    one = next(found)
                    yield Answer(one.label, one.confidence, one.probabilities, version, photo[1])


def _read(photo: Photo | ImageError, size: int, crop: Crop) -> tuple[Pixels, Box | None] | ImageError:
    if isinstance(photo, ImageError):
        return photo
    try:
        return prepared(photo, size, crop)
    except ImageError as error:
        return error
