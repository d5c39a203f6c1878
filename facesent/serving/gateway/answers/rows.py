"""What is kept of an answer: its row, and its photo where that is asked for."""

import base64
import binascii
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
from sqlalchemy import Connection, insert
from sqlalchemy.exc import IntegrityError

from ..settings import LogSettings
from .keys import client_of, content_of, private
from .store import PHOTOS
from .tables import UNREGISTERED, versions

_DATA_URL = re.compile(r"data:[^,]{0,200};base64,", re.IGNORECASE)
_URL_SAFE = str.maketrans("-_", "+/")
_AUDIT_DIGITS = 8
_AUDIT_ENDS = 1 << 4 * _AUDIT_DIGITS


@dataclass(frozen=True)
class AnsweredRequest:
    """A request that was answered.

    Attributes:
        predictions: one a face.
        photos: as they were sent, in base64.
        observed: what the version noted beside each prediction; empty where it notes nothing.
        seconds: that the answer took.
        client: its address.
        subject: the pseudonym of the person that the client sent.
        time: of the answer.
        ids: of the predictions, once the log has taken them.
        source: who answered.
    """

    predictions: Sequence[Mapping[str, Any]]
    photos: Sequence[Any] = field(default=(), repr=False)
    observed: Sequence[Mapping[str, Any]] = ()
    seconds: float | None = None
    client: str | None = None
    subject: str | None = None
    time: datetime = field(default_factory=lambda: datetime.now(UTC))
    ids: Sequence[str] = ()
    source: Literal["server", "app"] = "server"


def rows_of(answered: AnsweredRequest, settings: LogSettings, folder: Path) -> list[dict[str, Any]]:
    """The rows of the table ``answers`` for one request; photos that are kept are written.

    Args:
        answered: with an id for each prediction.
        settings: what is kept.
        folder: for photos and keys.
    """
    rows = len(answered.predictions)
    client = answered.client and client_of(answered.client, folder, answered.time)
    observed = answered.observed if len(answered.observed) == rows else [{}] * rows
    common: dict[str, Any] = {
        "time": answered.time,
        "client": client,
        "subject": answered.subject,
        "source": answered.source,
    }
    if answered.seconds is not None:
        common["latency_ms"] = 1000 * answered.seconds
    found = zip(answered.ids, answered.predictions, observed, _photos(answered), strict=True)
    return [
        _answer(prediction) | _quality(seen) | _audit(id_, settings) | _asked_for(id_, seen, photo, settings, folder)
        | {"id": id_, **common}
        for id_, prediction, seen, photo in found
    ]  # fmt: skip


def drop_photos(folder: Path, ids: Iterable[str]) -> None:
    """Delete photos, whole or in part, of answers whose rows were refused: nothing would find them again."""
    for id_ in ids:
        with suppress(OSError):
            (folder / PHOTOS / id_).unlink(missing_ok=True)


def know_version(connection: Connection, version: int, classes: Sequence[str]) -> None:
    """Note the classes of a version, unless they are known: a correction has to be one of them."""
    with suppress(IntegrityError), connection.begin_nested():
        connection.execute(insert(versions).values(version=version, classes=sorted(classes)))


def is_audited(id_: str, share: float) -> bool:
    """Whether an answer is one of those that a person is to look at: at random, as its id is."""
    return int(id_[:_AUDIT_DIGITS], 16) < share * _AUDIT_ENDS


def _answer(prediction: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "version": prediction.get("version") or UNREGISTERED,
        "label": str(prediction["label"]),
        "confidence": float(prediction["confidence"]),
        "probabilities": {name: float(share) for name, share in prediction["probabilities"].items()},
        "box": prediction.get("box"),
    }


def _quality(seen: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: kind(seen[name]) if seen.get(name) is not None and np.isfinite(seen[name]) else None
        for name, kind in (("brightness", float), ("sharpness", float), ("width", int), ("height", int))
    }


def _audit(id_: str, settings: LogSettings) -> dict[str, Any]:
    audit = is_audited(id_, settings.audit_share)
    return {"audit": audit, "audit_weight": 1 / settings.audit_share if audit else None}


def _asked_for(
    id_: str, seen: Mapping[str, Any], photo: bytes | None, settings: LogSettings, folder: Path
) -> dict[str, Any]:
    """What is kept only where the settings say so."""
    embedding = seen.get("embedding") if settings.embeddings else None
    return {
        "photo": _keep(folder, id_, photo) if photo and settings.photos else None,
        "embedding": None if embedding is None else np.asarray(embedding, "<f2").tobytes(),
        "content_hmac": content_of(photo, folder) if photo and settings.embeddings else None,
    }


def _keep(folder: Path, id_: str, photo: bytes) -> str:
    private(folder)
    (private(folder / PHOTOS) / id_).write_bytes(photo)
    return f"{PHOTOS}/{id_}"


def _photos(answered: AnsweredRequest) -> list[bytes | None]:
    """The photo of each prediction; None where none was handed over, or it is not known which."""
    paired = len(answered.photos) == len(answered.predictions)
    places = [prediction.get("row", place if paired else -1) for place, prediction in enumerate(answered.predictions)]
    decoded = [_decoded(photo) for photo in answered.photos]
    return [decoded[place] if 0 <= place < len(decoded) else None for place in places]


def _decoded(photo: object) -> bytes | None:
    """The bytes behind base64 text, in the forms that a version takes; None for anything else."""
    if isinstance(photo, bytes) or not isinstance(photo, str):
        return photo if isinstance(photo, bytes) else None
    text = "".join(photo.split())
    prefix = _DATA_URL.match(text)
    digits = text[prefix.end() if prefix else 0 :].rstrip("=").translate(_URL_SAFE)
    try:
        return base64.b64decode(digits + "=" * (-len(digits) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
