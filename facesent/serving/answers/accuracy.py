"""How often a version is right in service: from the random audit alone, and before it what its confidence says."""

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Integer, cast, func, select

from facesent.evaluation.intervals import Estimate, share_of, share_of_groups
from facesent.serving.answers.corrections import AUDIT_LABEL
from facesent.serving.gateway.answers.store import WATCHED, Store
from facesent.serving.gateway.answers.tables import ACCEPTED, answers, corrections

SOURCE = "mean confidence of its answers, calibrated on validation where train.calibrate was true"
"""Where the accuracy that is expected comes from."""

_LABELLED = (
    select(answers, corrections.c.label.label("truth"))
    .join(corrections, corrections.c.answer_id == answers.c.id)
    .where(answers.c.audit, corrections.c.status == ACCEPTED, *AUDIT_LABEL)
)


@dataclass(frozen=True)
class InService:
    """A version since the log began.

    Attributes:
        version: its number.
        answers: that it gave over HTTP.
        expected: how often it should be right if nothing changed since its calibration, by ``SOURCE``; None where that
            is not to be said.
        marked: answers that the audit drew.
        accuracy: of those of them that have an accepted label; None before there is one.
        corrections: accepted ones of all kinds, a count: people correct what is wrong.
    """

    version: int
    answers: int
    expected: Estimate | None
    marked: int
    accuracy: Estimate | None
    corrections: int


def in_service(store: Store, confidence_level: float) -> list[InService]:
    """Each version that is in the log, the newest first.

    Of a version for which the last watch found an alarm nothing is expected: confidence says too much then.

    Args:
        store: the opened log.
        confidence_level: of the intervals.
    """
    grouped = (
        select(
            answers.c.version,
            func.count().label("answers"),
            func.avg(answers.c.confidence).label("confidence"),
            func.sum(cast(answers.c.audit, Integer)).label("marked"),
        )
        # The app keeps what was corrected alone.
        .where(answers.c.source == "server")
        .group_by(answers.c.version)
        .order_by(answers.c.version.desc())
    )
    accepted = (
        select(answers.c.version, func.count())
        .join(corrections, corrections.c.answer_id == answers.c.id)
        .where(corrections.c.status == ACCEPTED, corrections.c.label != answers.c.label)
        .group_by(answers.c.version)
    )
    with store.reading() as connection:
        found = connection.execute(grouped).all()
        counts = {row[0]: row[1] for row in connection.execute(accepted)}
        # Once each: a label may have been given twice.
        audited = {row.id: row for row in connection.execute(_LABELLED)}
    changed = _in_alarm(store.folder / WATCHED)
    return [
        InService(
            version=row.version,
            answers=row.answers,
            expected=None
            if row.version == changed
            else expected_accuracy(row.confidence, row.answers, confidence_level),
            marked=row.marked,
            accuracy=_audited([other for other in audited.values() if other.version == row.version], confidence_level),
            corrections=counts.get(row.version, 0),
        )
        for row in found
    ]


def audited_since(store: Store, version: int, since: datetime, confidence_level: float) -> Estimate | None:
    """How often a version was right since a moment, of audited answers; None before there is a label of one."""
    labelled = _LABELLED.where(answers.c.version == version, answers.c.time >= since)
    with store.reading() as connection:
        rows = {row.id: row for row in connection.execute(labelled)}
    return _audited([*rows.values()], confidence_level)


def expected_accuracy(confidence: float, images: int, confidence_level: float) -> Estimate:
    """How many of some photos should be right, if each is with its confidence; the interval is of independent photos.

    Args:
        confidence: the mean, calibrated.
        images: photos.
        confidence_level: of the interval.
    """
    return replace(share_of(round(confidence * images), images, confidence_level), value=confidence)


def _in_alarm(watched: Path) -> int | None:
    """The version for which the last watch found an alarm."""
    with suppress(OSError, ValueError):
        found = json.loads(watched.read_text(encoding="utf-8"))
        return found["version"] if found["alarm"] else None
    return None


def _audited(rows: Sequence[Any], confidence_level: float) -> Estimate | None:
    if not rows:
        return None
    right = np.array([max(row.probabilities, key=row.probabilities.__getitem__) == row.truth for row in rows])
    weights = np.array([row.audit_weight for row in rows])
    return share_of_groups(right, [_unit(row) for row in rows], confidence_level, weights)


def _unit(row: Any) -> str:
    """What goes together: photos of a person, else those of a client of a day, whose pseudonym lasts so long."""
    return f"subject {row.subject}" if row.subject else f"client {row.client}"
