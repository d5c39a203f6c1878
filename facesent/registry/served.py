"""The model as MLflow serves it: base64 photos in, label and probabilities out.

MLflow runs this file instead of unpickling an object.
"""

import base64
import binascii
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from facesent.data.images import ImageError, Pixels
from facesent.model.classifier import Classifier
from facesent.registry.packaging import MIN_CONFIDENCE

COLUMN = "image"
MAX_BYTES = 20 * 1024 * 1024

_DATA_URL = re.compile(r"\s*data:[\w.+-]+/[\w.+-]+(?:;[\w=.+-]+)*;base64,")


class ServedModel(PythonModel):
    """Answers each row of one text column ``image``, a photo's bytes in base64."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load the network once, and warm it up."""
        self._classifier = Classifier.load(Path(context.artifacts["model"]), Path(context.artifacts["labels"]))
        self._classifier.warm_up()
        self._readers = ThreadPoolExecutor(thread_name_prefix="read-photo")

    def predict(
        self, context: PythonModelContext, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> list[dict[str, Any]]:
        """Answer ``label``, ``confidence`` and ``probabilities`` for each row.

        Args:
            context: unused.
            model_input: one column, ``COLUMN``.
            params: ``min_confidence``, below which the label is "uncertain"; by default the version's own.

        Raises:
            MlflowException: a client's error that names the first bad row and says what was expected.
        """
        min_confidence = _min_confidence(params or {})
        images = self._read_all(model_input[COLUMN].tolist())
        return [vars(prediction) for prediction in self._classifier.predict(images, min_confidence=min_confidence)]

    def _read_all(self, values: Sequence[object]) -> list[Pixels]:
        if len(values) == 1:
            return [self._read(0, values[0])]
        # In order: the first bad row is the one that is named.
        return list(self._readers.map(self._read, range(len(values)), values))

    def _read(self, row: int, value: object) -> Pixels:
        try:
            return self._classifier.read(decode_photo(value))
        except ImageError as error:
            raise MlflowException.invalid_parameter_value(f"Row {row}: {error}") from None


def _min_confidence(params: dict[str, Any]) -> float:
    value = float(params.get(MIN_CONFIDENCE, 0.0))
    if not 0 <= value <= 1:
        raise MlflowException.invalid_parameter_value(f"{MIN_CONFIDENCE}: Expected 0 to 1. Received: {value}")
    return value


def decode_photo(value: object) -> bytes:
    """The bytes behind base64 text, with or without a data URL's prefix.

    Raises:
        ImageError: not text, not base64, empty, or over ``MAX_BYTES``.
    """
    if not isinstance(value, str):
        raise ImageError(f"Expected a photo's bytes as base64 text. Received: {type(value).__name__}.")
    prefix = _DATA_URL.match(value)
    text = value[prefix.end() :] if prefix else value
    if len(text) > MAX_BYTES * 4 / 3 + 4:
        raise ImageError(f"Expected at most {MAX_BYTES} bytes. Received: about {len(text) * 3 // 4}.")
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ImageError(f"Expected a photo's bytes as base64 text. Received: {text[:32]!r} ({error}).") from None


set_model(ServedModel())
