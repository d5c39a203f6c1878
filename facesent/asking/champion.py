"""The champion in a program or a notebook; ``facesent`` exports what is here."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from facesent.asking.answers import Answer, Wish, answers
from facesent.asking.photos import Photo, listed
from facesent.core.cropping import CROPS, DEFAULT_CROP, Crop
from facesent.images.reading import ImageError
from facesent.registry.store_context import tracking_store

if TYPE_CHECKING:
    from facesent.prediction.classifier import Classifier

__all__ = ["Answer", "Champion", "load_champion", "predict"]


@dataclass(frozen=True)
class Champion:
    """The version in service, with its network in this process. It stays that version when another is promoted.

    Attributes:
        version: its number in the registry.
        labels: the classes, in the order of the network's outputs.
        min_confidence: 0 to 1; answers that are less sure are "uncertain", where a call asks for nothing else.
    """

    version: int
    labels: tuple[str, ...]
    min_confidence: float
    _classifier: "Classifier" = field(repr=False, compare=False)

    def predict(
        self,
        photos: Photo | Iterable[Photo],
        *,
        min_confidence: float | None = None,
        top_k: int = 0,
        crop: Crop = DEFAULT_CROP,
    ) -> list[Answer]:
        """Name the expression on each photo, as ``facesent predict`` does.

        Args:
            photos: one or several. Each is a path, the bytes of an image file, an RGB array of uint8 with the shape
                ``(height, width, 3)``, or an image of Pillow's. Several arrays of one size may be one array.
            min_confidence: 0 to 1; answers that are less sure are "uncertain". None for the version's own.
            top_k: name only so many of the likeliest classes, these first; 0 for all, in the order of ``labels``.
            crop: "largest" to look at the largest face of a photo alone, if one is found.

        Returns:
            One answer for each photo, in their order. ``pandas.DataFrame(answers)`` is a table of them.

        Raises:
            ImageError: a photo cannot be read; the message begins with its place, from 0.
            ValueError: an argument is out of range.
        """
        wish = _checked(Wish(self.min_confidence if min_confidence is None else min_confidence, top_k, crop))
        given, found = listed(photos), list[Answer]()
        for place, answer in enumerate(answers(self._classifier, self.version, given, wish)):
            if isinstance(answer, ImageError):
                raise ImageError(f"Photo {place}: {answer}", reason=answer.reason)
            found.append(answer)
        return found


def load_champion(tracking_uri: str | None = None) -> Champion:
    """Load the version that is in service now; it takes seconds, since TensorFlow is imported.

    Args:
        tracking_uri: of MLflow, such as ``http://127.0.0.1:5000``, for this call alone. None for what MLflow is set to,
            or else for ``mlflow.db`` in the working folder, which has to be the project's.

    Returns:
        the champion.

    Raises:
        RegistryError: there is no champion, or its files are gone.
        TrackingError: MLflow cannot be reached, or its store belongs to another folder.
        FacesentError: no address is known and the working folder is no project.
    """
    from facesent.registry.versions import version_named

    with tracking_store(tracking_uri):
        return _load(version_named().number)


def predict(
    photos: Photo | Iterable[Photo],
    *,
    tracking_uri: str | None = None,
    min_confidence: float | None = None,
    top_k: int = 0,
    crop: Crop = DEFAULT_CROP,
) -> list[Answer]:
    """Ask the champion of now: ``load_champion(tracking_uri).predict(photos, …)``.

    The network stays loaded between calls until another version is promoted.

    Args:
        photos: as for ``Champion.predict``.
        tracking_uri: as for ``load_champion``.
        min_confidence: as for ``Champion.predict``.
        top_k: as for ``Champion.predict``.
        crop: as for ``Champion.predict``.

    Returns:
        One answer for each photo, in their order.

    Raises:
        FacesentError: as ``load_champion``.
        ImageError: as ``Champion.predict``.
        ValueError: as ``Champion.predict``.
    """
    from facesent.registry.versions import version_named

    with tracking_store(tracking_uri) as store:
        version = version_named()
        champion = _loaded(version.number, version.run_id, store, Path.cwd())
    return champion.predict(photos, min_confidence=min_confidence, top_k=top_k, crop=crop)


@lru_cache(maxsize=1)
def _loaded(version: int, run_id: str, store: str, folder: Path) -> Champion:
    """One of a store, whose address may be relative to a folder; a restored store may have another of this number."""
    return _load(version)


def _load(version: int) -> Champion:
    from facesent.registry.packaging import min_confidence_of
    from facesent.registry.versions import load_classifier, model_uri

    classifier = load_classifier(version)
    return Champion(version, tuple(classifier.labels), min_confidence_of(model_uri(version)), classifier)


def _checked(wish: Wish) -> Wish:
    if not 0 <= wish.min_confidence <= 1:
        raise ValueError(f"min_confidence: Expected 0 to 1. Received: {wish.min_confidence}")
    if wish.top_k < 0:
        raise ValueError(f"top_k: Expected 0 for all, or a number of classes. Received: {wish.top_k}")
    if wish.crop not in CROPS:
        raise ValueError(f"crop: Expected {' or '.join(CROPS)}. Received: {wish.crop}")
    return wish
