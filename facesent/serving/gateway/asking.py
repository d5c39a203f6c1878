"""A request to the model through MLflow's own reading and writing, so that an answer has the bytes of its server's."""

import logging
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Protocol

from mlflow.pyfunc.scoring_server import invocations

from .observing import Observer
from .refusals import Refusal, malformed, unanswerable

_log = logging.getLogger(__name__)
_SHOWN_PLACES = 3


class Model(Protocol):
    """What MLflow loads."""

    metadata: Any

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> Any:
        """Answer the rows of ``data``."""


@dataclass(frozen=True)
class Answer:
    """What is sent back.

    Attributes:
        body: of the response.
        media_type: of it.
        predictions: of which the body was written, one a face.
        photos: as they were sent.
        observed: what the version noted beside each prediction; empty where it notes nothing.
        seconds: from the request's last byte to the answer.
    """

    body: bytes
    media_type: str
    predictions: Sequence[Mapping[str, Any]] = field(repr=False)
    photos: Sequence[Any] = field(default=(), repr=False)
    observed: Sequence[Mapping[str, Any]] = field(default=(), repr=False)
    seconds: float | None = None


class _Asked:
    """The model for one request: it keeps what came of it, and does not take more rows than the bound."""

    def __init__(self, model: Model, max_rows: int) -> None:
        self.metadata, self._model, self._max_rows = model.metadata, model, max_rows
        self.predictions: Sequence[Mapping[str, Any]] = ()
        self.photos: Sequence[Any] = ()
        # As it is: MLflow makes one of its own of most of them.
        self.error: Exception | None = None

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> Any:
        try:
            self._check(_rows(data))
            self.photos = _photos(data)
            self.predictions = self._model.predict(data, params=params)
        except Exception as error:
            self.error = error
            raise
        return self.predictions

    def _check(self, rows: int) -> None:
        if rows > self._max_rows:
            message = f"Expected at most {self._max_rows} photos in a request. Received: {rows}."
            raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "rows", message)


def ask(model: Model, body: bytes, content_type: str, max_rows: int, observer: Observer | None = None) -> Answer:
    """Answer one request.

    Args:
        model: what MLflow loaded.
        body: of the request.
        content_type: of it.
        max_rows: that it may hold.
        observer: of what the model notes.

    Raises:
        Refusal: it cannot be answered.
    """
    asked = _Asked(model, max_rows)
    if observer:
        # Of a request before that failed.
        observer.taken()
    try:
        schema = model.metadata.get_input_schema()
        response = invocations(body, content_type, asked, schema)  # type: ignore[no-untyped-call]
    except Exception as error:
        if asked.error is None:
            raise malformed(error) from None
        refusal = unanswerable(asked.error)
        if refusal.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            _log.error("The model failed: %s", _where(asked.error))
        raise refusal from None
    if response.status != HTTPStatus.OK:
        raise Refusal(HTTPStatus(response.status), "content type", response.response)
    observed = observer.taken() if observer else ()
    return Answer(response.response.encode(), response.mimetype, asked.predictions, asked.photos, observed)


def _rows(data: Any) -> int:
    """How many rows a table, a list or a dictionary of columns has."""
    if isinstance(data, Mapping):
        return max((_rows(column) for column in data.values()), default=0)
    return len(data) if hasattr(data, "__len__") and not isinstance(data, str | bytes) else 1


def _photos(data: Any) -> Sequence[Any]:
    """The first column of a table or of a dictionary of columns, where the photos are."""
    columns = [data[name] for name in data] if hasattr(data, "keys") else []
    return list(columns[0]) if columns and hasattr(columns[0], "__len__") else ()


def _where(error: Exception) -> str:
    """The kind of an error and its last places, without its message, which may quote a photo."""
    places = traceback.extract_tb(error.__traceback__)[-_SHOWN_PLACES:]
    return f"{type(error).__name__} in {', '.join(f'{place.filename}:{place.lineno}' for place in places)}"
