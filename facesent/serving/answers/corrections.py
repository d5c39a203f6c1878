"""Corrections as their owner decides them, and the answers that were marked for an audit."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Select, exists, select, update

from facesent.serving.answers.log import LogError
from facesent.serving.gateway.answers.store import Store
from facesent.serving.gateway.answers.tables import ACCEPTED, REJECTED, WAITING, answers, corrections

_HEX_DIGITS = "0123456789abcdef"
_ID_DIGITS = 32
# As who works with the project's commands.
_OWNER = "cli"
AUDIT_LABEL = (corrections.c.source == _OWNER,)
"""What counts as a label of the audit: clients correct what is wrong, and so say nothing of how much is right."""


@dataclass(frozen=True)
class PendingCorrection:
    """A correction with its answer.

    Attributes:
        number: of the correction.
        time: of it.
        answer_id: of the answer.
        answered: the label that the version gave.
        version: that gave it.
        label: that is said to be right.
        note: for whoever decides.
        source: client, app or cli.
        client: pseudonym of who asked, of a day.
        subject: pseudonym of the person, if the client sent one.
        box: of the face in the photo; None for the whole photo.
        photo: where it is, if it was kept.
        chance: whether chance alone chose the answer, and so says how often the version is right.
    """

    number: int
    time: datetime
    answer_id: str
    answered: str
    version: int
    label: str
    note: str | None
    source: str
    client: str | None
    subject: str | None
    box: dict[str, int] | None
    photo: Path | None
    chance: bool


@dataclass(frozen=True)
class Audited:
    """An answer that a person is to look at.

    Attributes:
        id: of the answer.
        time: of it.
        version: that gave it.
        label: that it gave.
        photo: where it is, if it was kept.
    """

    id: str
    time: datetime
    version: int
    label: str
    photo: Path | None


def waiting(store: Store) -> list[PendingCorrection]:
    """The corrections that wait, the oldest first."""
    with store.reading() as connection:
        return _waiting(connection, store.folder)


def accept(
    store: Store,
    numbers: Collection[int] | None,
    *,
    before: Callable[[Sequence[PendingCorrection]], object] | None = None,
) -> list[PendingCorrection]:
    """Accept corrections: all that are named, or none.

    Args:
        store: the opened log.
        numbers: of the corrections; None for all that wait.
        before: what is done with them before they count as accepted, so that a kill loses nothing.

    Raises:
        LogError: a number is of none that waits, or two labels would be accepted for an answer.
    """
    with store.writing() as connection:
        chosen = _chosen(connection, store.folder, numbers)
        _refuse_contradictions(connection, chosen)
        if before:
            before(chosen)
        _mark(connection, chosen, ACCEPTED)
    return chosen


def reject(store: Store, numbers: Collection[int] | None) -> list[PendingCorrection]:
    """Reject corrections: all that are named, or none.

    Args:
        store: the opened log.
        numbers: of the corrections; None for all that wait.

    Raises:
        LogError: a number is of none that waits.
    """
    with store.writing() as connection:
        chosen = _chosen(connection, store.folder, numbers)
        _mark(connection, chosen, REJECTED)
    return chosen


def to_audit(store: Store) -> list[Audited]:
    """The answers that are marked for the audit and have neither a label nor a correction of the owner's yet."""
    said = exists().where(corrections.c.answer_id == answers.c.id, *AUDIT_LABEL, corrections.c.status != REJECTED)
    marked = select(answers).where(answers.c.audit, ~said).order_by(answers.c.time)
    with store.reading() as connection:
        return [
            Audited(row.id, row.time, row.version, row.label, photo_of(store.folder, row.photo))
            for row in connection.execute(marked)
        ]


def full_id(store: Store, start: str) -> str:
    """The id of an answer that begins so.

    Raises:
        LogError: none does, or several do.
    """
    # The marks of LIKE are no digits.
    if not start or set(start) - set(_HEX_DIGITS) or len(start) > _ID_DIGITS:
        raise LogError(f"Expected the id of an answer, or its start. Received: {start[:_ID_DIGITS]}")
    with store.reading() as connection:
        found = connection.scalars(select(answers.c.id).where(answers.c.id.startswith(start)).limit(2)).all()
    if len(found) != 1:
        several = "the start of several ids" if found else "an unknown one, or one that was deleted or never logged"
        raise LogError(f"Expected the id of an answer in the log, or its start. Received: {start}, {several}.")
    return str(found[0])


def photo_of(folder: Path, photo: str | None) -> Path | None:
    """Where a kept photo is; None where there is none any more."""
    return path if photo and (path := folder / photo).is_file() else None


def _waiting(connection: Connection, folder: Path) -> list[PendingCorrection]:
    found: Select[Any] = (
        select(corrections, answers.c.label.label("answered"), answers.c.client.label("asker"))
        .add_columns(answers.c.version, answers.c.subject, answers.c.photo, answers.c.box, answers.c.audit)
        .join(answers, answers.c.id == corrections.c.answer_id)
        .where(corrections.c.status == WAITING)
        .order_by(corrections.c.id)
    )
    return [
        PendingCorrection(
            number=row.id,
            time=row.time,
            answer_id=row.answer_id,
            answered=row.answered,
            version=row.version,
            label=row.label,
            note=row.note,
            source=row.source,
            client=row.asker,
            subject=row.subject,
            box=row.box,
            chance=row.audit and row.source == _OWNER,
            photo=photo_of(folder, row.photo),
        )
        for row in connection.execute(found)
    ]


def _chosen(connection: Connection, folder: Path, numbers: Collection[int] | None) -> list[PendingCorrection]:
    known = {found.number: found for found in _waiting(connection, folder)}
    wanted = list(known) if numbers is None else list(dict.fromkeys(numbers))
    if unknown := sorted(set(wanted) - set(known)):
        listed = ", ".join(map(str, unknown))
        raise LogError(f"Expected the numbers of waiting corrections, see `facesent feedback`. Received: {listed}")
    return [known[number] for number in wanted]


def _mark(connection: Connection, chosen: Sequence[PendingCorrection], status: str) -> None:
    decided = update(corrections).where(corrections.c.id.in_([found.number for found in chosen]))
    connection.execute(decided.values(status=status))


def _refuse_contradictions(connection: Connection, chosen: Sequence[PendingCorrection]) -> None:
    ids = [found.answer_id for found in chosen]
    before = select(corrections.c.answer_id, corrections.c.label)
    accepted = before.where(corrections.c.status == ACCEPTED, corrections.c.answer_id.in_(ids))
    labels = {row.answer_id: row.label for row in connection.execute(accepted)}
    for found in chosen:
        if labels.setdefault(found.answer_id, found.label) != found.label:
            raise LogError(
                f"Expected one label for answer {found.answer_id}. Received: {labels[found.answer_id]} and "
                f"{found.label}. Reject the wrong one: facesent feedback reject NUMBER"
            )
