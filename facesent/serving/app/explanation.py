"""One photo explained: where the face is, what the model says, and what spoke for it."""

from dataclasses import dataclass

import cv2
import numpy as np

from facesent.core.cropping import Crop
from facesent.evaluation.heat_map import NoHeatMapError, heat_map, over
from facesent.images.reading import Pixels, decode
from facesent.model.backend import keras
from facesent.model.storage import load_labels, load_model
from facesent.prediction.classifier import Classifier, Prediction
from facesent.prediction.faces import Box, read_cropped
from facesent.registry import versions
from facesent.registry.packaging import min_confidence_of

_SHOWN_SIDE = 640
_BOX = (230, 159, 0)


@dataclass(frozen=True)
class LoadedVersion:
    """The version that answers.

    Attributes:
        number: of the registered version.
        described: its alias and accuracy, for people.
        min_confidence: below which it says "uncertain" by itself.
        classifier: answers.
        network: the same as a Keras model, for the heat map.
    """

    number: int
    described: str
    min_confidence: float
    classifier: Classifier
    network: keras.Model


@dataclass(frozen=True)
class Explanation:
    """What there is to show.

    Attributes:
        photo: upright, at most ``_SHOWN_SIDE`` pixels, with a frame around the face that was found.
        box: the face in the photo's own pixels; None where none was found or looked for.
        seen: what the network was given, ``(size, size, 3)``.
        prediction: its answer.
        heat: ``seen`` under the heat map of the likeliest class; None where there is no such map.
    """

    photo: Pixels
    box: Box | None
    seen: Pixels
    prediction: Prediction
    heat: Pixels | None


def load(version: str | None) -> LoadedVersion:
    """Fetch the version of that number or alias from the registry; the champion if none is given.

    Raises:
        RegistryError: if there is none.
        TrackingError: if MLflow cannot be reached.
    """
    found = versions.version_named(version)
    with versions.version_files(found.number) as (model, labels):
        network, names = load_model(model), load_labels(labels)
    return LoadedVersion(
        number=found.number,
        described=_description(found),
        min_confidence=min_confidence_of(versions.model_uri(found.number)),
        classifier=Classifier(network, names),
        network=network,
    )


def explain(loaded: LoadedVersion, content: bytes, *, crop: Crop, min_confidence: float) -> Explanation:
    """Answer the bytes of a photo, and say why.

    Args:
        loaded: the version that answers.
        content: of an image file; it is not trusted.
        crop: "largest" to look at the largest face alone, if one is found.
        min_confidence: below it the answer is "uncertain".

    Raises:
        ImageError: if it is no image that can be read.
    """
    # The pixels are those that the command line and the server look at.
    seen, box = read_cropped(content, loaded.classifier.image_size, crop)
    photo = decode(content, None)
    [prediction] = loaded.classifier.predict([seen], min_confidence=min_confidence)
    return Explanation(_framed(photo, box), box, seen, prediction, _under_heat(loaded, seen, prediction))


def _description(version: versions.Version) -> str:
    name = f"version {version.number}" + (f" ({', '.join(version.aliases)})" if version.aliases else "")
    if version.accuracy is None:
        return name
    ends = version.accuracy_interval
    interval = f" (95% interval {ends[0]:.0%} to {ends[1]:.0%})" if ends else ""
    return f"{name}: {version.accuracy:.0%} accuracy on its test images{interval}"


def _framed(photo: Pixels, box: Box | None) -> Pixels:
    scale = min(1.0, _SHOWN_SIDE / max(photo.shape[:2]))
    width, height = (max(1, round(side * scale)) for side in (photo.shape[1], photo.shape[0]))
    shown = cv2.resize(photo, (width, height), interpolation=cv2.INTER_AREA)
    if box:
        left, top = round(box.left * scale), round(box.top * scale)
        right, bottom = round((box.left + box.width) * scale), round((box.top + box.height) * scale)
        cv2.rectangle(shown, (left, top), (right, bottom), _BOX, thickness=3)
    return np.asarray(shown, dtype=np.uint8)


def _under_heat(loaded: LoadedVersion, seen: Pixels, prediction: Prediction) -> Pixels | None:
    likeliest = max(prediction.probabilities, key=prediction.probabilities.__getitem__)
    try:
        return over(seen, heat_map(loaded.network, seen, loaded.classifier.labels.index(likeliest)))
    except NoHeatMapError:
        return None
