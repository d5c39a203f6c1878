"""Corrections: what people say of an answer waits until the owner accepts it."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import Connection, delete, func, insert, select

from .store import AnswersError
from .tables import WAITING, answers, corrections, versions

Source = Literal["client", "app", "cli"]

MAX_NOTE = 500
_ID = re.compile(r"[0-9a-f]{32}")
# So many clients' share of what may wait in all: addresses are cheap.
_CLIENTS = 20


class UnknownAnswer(AnswersError):
    """There is no answer of that id in the log."""


class TooManyCorrections(AnswersError):
    """So many wait already that no more are taken."""


@dataclass(frozen=True)
class Correction:
    """What somebody says of an answer.

    Attributes:
        answer_id: of the answer.
        label: one of its version's classes.
        note: in one line, for whoever decides.
    """

    answer_id: str
    label: str
    note: str | None = None

    @classmethod
    def from_json(cls, body: bytes) -> "Correction":
        """What a client sent: ``{"id": …, "label": …}``, with a ``note`` or without.

        Raises:
            AnswersError: it is anything else.
        """
        try:
            values = json.loads(body)
        except (ValueError, RecursionError):
            values = None
        if (
            not isinstance(values, dict)
            or not {"id", "label"} <= values.keys() <= {"id", "label", "note"}
            or not all(isinstance(value, str) for value in values.values())
        ):
            raise AnswersError('Expected JSON {"id": "…", "label": "…"}, optionally with a "note", all of them text.')
        return cls(values["id"], values["label"], values.get("note"))


def correct(
    connection: Connection, correction: Correction, source: Source, client: str | None = None, limit: int | None = None
) -> int:
    """Note a correction, in the place of what the same client said of this answer and still waits; its number.

    Args:
        connection: in a transaction that writes.
        correction: what to note.
        source: by which way it came.
        client: pseudonym of who sent it; None for the owner.
        limit: of corrections of a client that may wait.

    Raises:
        UnknownAnswer: no such answer.
        TooManyCorrections: the limit is reached.
        AnswersError: no class of that version, or a note that is too long or of several lines.
    """
    note = correction.note
    if note and (len(note) > MAX_NOTE or not note.isprintable()):
        raise AnswersError(f"Expected a note of one line and at most {MAX_NOTE} characters.")
    known = classes_of(connection, correction.answer_id)
    if correction.label not in known:
        raise AnswersError(f"Expected one of the labels {', '.join(known)}.")
    open_ = corrections.c.status == WAITING
    mine = open_ & (corrections.c.client == client) & (corrections.c.source == source)
    connection.execute(delete(corrections).where(mine & (corrections.c.answer_id == correction.answer_id)))
    if limit is not None and _count(connection, mine) >= limit:
        raise TooManyCorrections(f"Expected at most {limit} waiting corrections per client. Try again tomorrow.")
    if limit is not None and _count(connection, open_) >= _CLIENTS * limit:
        raise TooManyCorrections(f"Expected at most {_CLIENTS * limit} waiting corrections in all. Try again tomorrow.")
    values = {"answer_id": correction.answer_id, "label": correction.label, "note": note or None, "client": client}
    noted = insert(corrections).values(**values, source=source, time=datetime.now(UTC), status=WAITING)
    key: Any = connection.execute(noted).inserted_primary_key
    return int(key[0])


def classes_of(connection: Connection, answer_id: str) -> Sequence[str]:
    """The classes of the version that gave an answer.

    Raises:
        UnknownAnswer: no such answer.
    """
    found = select(versions.c.classes).join(answers, answers.c.version == versions.c.version)
    # Before the database is asked: PostgreSQL takes no text with a zero byte.
    known = _ID.fullmatch(answer_id) and connection.scalar(found.where(answers.c.id == answer_id))
    if not known:
        raise UnknownAnswer(
            "Expected the id of an answer in the log, as its header X-Facesent-Id says. "
            "Received: an unknown one, or one that was deleted or has not been written yet."
        )
    classes: Sequence[str] = known
    return classes


def _count(connection: Connection, condition: Any) -> int:
    return connection.scalar(select(func.count()).select_from(corrections).where(condition)) or 0
