"""The model as MLflow serves it: base64 photos in, label and probabilities out.

MLflow runs this file instead of unpickling an object.
"""

import base64
import binascii
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.pyfunc.model import PythonModel, PythonModelContext
from mlflow.store.artifact.models_artifact_repo import REGISTERED_MODEL_META_FILE_NAME

from facesent.core.cropping import DEFAULT_CROP
from facesent.images.reading import ImageError, Pixels
from facesent.images.threads import image_threads
from facesent.prediction.classifier import Classifier
from facesent.prediction.faces import Box, read_cropped, read_faces
from facesent.prediction.light import brightness_and_sharpness
from facesent.registry.contract import COLUMN, CROP, CROPS, MIN_CONFIDENCE, TOP_K, UNLIKE, UNLIKES, Crops

MAX_BYTES = 20 * 1024 * 1024

# Of any media type: what an image is, its own bytes say.
_DATA_URL = re.compile(r"data:[^,]{0,200};base64,", re.IGNORECASE)
_URL_SAFE = str.maketrans("-_", "+/")
_SHOWN_CHARACTERS = 32


@dataclass(frozen=True)
class Options:
    """What a request asks for beside its photos."""

    min_confidence: float
    top_k: int
    crop: Crops
    unlike: str = UNLIKES[0]


class Refusal(MlflowException):
    """A client's error that begins with what is wrong.

    MLflow's server puts the whole request, kilobytes of base64, before an error's message: it keeps its first one.
    """

    def __init__(self, message: str) -> None:
        self._first: str | None = None
        super().__init__(message, error_code=INVALID_PARAMETER_VALUE)

    @property
    def message(self) -> str:
        """What the client reads."""
        return self._first or ""

    @message.setter
    def message(self, text: str) -> None:
        self._first = self._first or text


@dataclass(frozen=True)
class _Face:
    """A face or a whole photo, ready for the network."""

    row: int
    pixels: Pixels
    box: Box | None


class ServedModel(PythonModel):
    """Answers each row of one text column ``image``, a photo's bytes in base64.

    Attributes:
        observe: told of each answer's light and sharpness, in the thread that asked, where a server sets it.
    """

    observe: Callable[[Sequence[Mapping[str, Any]]], None] | None = None

    def load_context(self, context: PythonModelContext) -> None:
        """Load the network once, and warm it up."""
        model = Path(context.artifacts["model"])
        known = context.artifacts.get(UNLIKE)
        self._classifier = Classifier.load(model, Path(context.artifacts["labels"]), Path(known) if known else None)
        self._classifier.warm_up()
        self._classifier.share_passes()
        self._version = registered_version(model.parents[1])
        # No more than cores: a photo at the pixel limit takes hundreds of megabytes while it is decoded.
        self._readers = image_threads()

    def predict(
        self, context: PythonModelContext, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> list[dict[str, Any]]:
        """Answer ``label``, ``confidence``, ``probabilities``, ``version`` and ``box`` for each row.

        Args:
            context: unused.
            model_input: one column, ``COLUMN``.
            params: ``min_confidence``, below which the label is "uncertain", by default the version's own; ``top_k``,
                so many of the likeliest probabilities, ordered, or all with 0; ``crop``, "largest" to look at the
                largest face alone, which ``box`` then says, or "all" for an answer for each face, with the ``row`` of
                its photo; ``unlike``, of a version that knows its training images, "mark" or "uncertain" to have
                ``unlike`` said of each. ``box`` is null, and the answer is for the whole photo, where none was found.

        Raises:
            Refusal: it names the first bad row and says what was expected.
        """
        asked = asked_for(params or {})
        faces = self._read_all(model_input[COLUMN].tolist(), asked.crop)
        predictions = self._classifier.predict(
            [face.pixels for face in faces],
            min_confidence=asked.min_confidence,
            top_k=asked.top_k,
            unlike=asked.unlike,
        )
        if self.observe:
            self.observe([_seen(face) for face in faces])
        return [
            {**prediction.as_dict(), "version": self._version, "box": asdict(face.box) if face.box else None}
            | ({"row": face.row} if asked.crop == "all" else {})
            for prediction, face in zip(predictions, faces, strict=True)
        ]

    def _read_all(self, values: Sequence[object], crop: Crops) -> list[_Face]:
        if len(values) == 1:
            return self._read(0, values[0], crop)
        # In order: the first bad row is the one that is named.
        found = self._readers.map(self._read, range(len(values)), values, [crop] * len(values))
        return [face for faces in found for face in faces]

    def _read(self, row: int, value: object, crop: Crops) -> list[_Face]:
        try:
            content = decode_photo(value)
            if crop == "all":
                return [_Face(row, *face) for face in read_faces(content, self._classifier.image_size)]
            return [_Face(row, *read_cropped(content, self._classifier.image_size, crop))]
        except ImageError as error:
            raise Refusal(f"Row {row}: {error}") from None


def _seen(face: _Face) -> dict[str, float]:
    brightness, sharpness = brightness_and_sharpness(face.pixels)
    return {"brightness": brightness, "sharpness": sharpness}


def asked_for(params: Mapping[str, Any]) -> Options:
    """Check what a request asks for; what it leaves out is as if it had not been there to ask for.

    Raises:
        Refusal: it names the parameter and says what was expected.
    """
    if empty := [name for name, value in params.items() if value is None]:
        raise _refusal(empty[0], "a value, or no such parameter", None)
    min_confidence = float(params.get(MIN_CONFIDENCE, 0.0))
    if not 0 <= min_confidence <= 1:
        raise _refusal(MIN_CONFIDENCE, "0 to 1", min_confidence)
    top_k = int(params.get(TOP_K, 0))
    if top_k < 0:
        raise _refusal(TOP_K, "0 for all, or a number of labels", top_k)
    crop = str(params.get(CROP, DEFAULT_CROP))
    if crop not in CROPS:
        raise _refusal(CROP, " or ".join(CROPS), repr(crop[:_SHOWN_CHARACTERS]))
    unlike = str(params.get(UNLIKE, UNLIKES[0]))
    if unlike not in UNLIKES:
        raise _refusal(UNLIKE, " or ".join(UNLIKES), repr(unlike[:_SHOWN_CHARACTERS]))
    return Options(min_confidence, top_k, crop, unlike)


def _refusal(name: str, expected: str, received: object) -> Refusal:
    return Refusal(f"{name}: Expected {expected}. Received: {received}")


def registered_version(model: Path) -> int | None:
    """The version that MLflow fetched the folder of a model as; None for a model that is not from the registry."""
    try:
        described = yaml.safe_load((model / REGISTERED_MODEL_META_FILE_NAME).read_text(encoding="utf-8"))
        return int(described["model_version"])
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError):
        return None


def decode_photo(value: object) -> bytes:
    """The bytes behind base64 text.

    Args:
        value: in the standard or the URL-safe alphabet, with or without padding, white space and a data URL's prefix.

    Raises:
        ImageError: not text, not base64, or over ``MAX_BYTES``.
    """
    if not isinstance(value, str):
        raise ImageError(f"Expected a photo's bytes as base64 text. Received: {type(value).__name__}.")
    text = "".join(value.split())
    prefix = _DATA_URL.match(text)
    digits = text[prefix.end() if prefix else 0 :].rstrip("=")
    size = len(digits) * 3 // 4
    if size > MAX_BYTES:
        raise ImageError(f"Expected at most {MAX_BYTES} bytes. Received: {size}.")
    try:
        return base64.b64decode(digits.translate(_URL_SAFE) + "=" * (-len(digits) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ImageError(
            "Expected a photo's bytes as base64 text; paths and addresses are not opened. "
            f"Received: {text[:_SHOWN_CHARACTERS]!r} ({error})."
        ) from None


set_model(ServedModel())
