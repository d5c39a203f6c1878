"""An answer of the app that a person calls wrong."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import uuid4

from sqlalchemy import insert

from facesent.serving.answers.log import kept, opened
from facesent.serving.gateway.answers.correcting import Correction, correct
from facesent.serving.gateway.answers.rows import AnsweredRequest, drop_photos, know_version, rows_of
from facesent.serving.gateway.answers.tables import answers
from facesent.serving.settings import Log

_CLIENT = "app"


def note_wrong(log: Log, answer: Mapping[str, Any], photo: bytes, label: str) -> int:
    """Log an answer with its correction, which waits as all do; its number.

    Args:
        log: the settings; the log is on.
        answer: as the server gives it, with the probabilities of all classes.
        photo: its bytes.
        label: that is right.

    Raises:
        LogError: the log cannot be used, or too many corrections wait.
        OSError: the photo cannot be written.
    """
    settings = kept(log)
    if settings is None:
        raise ValueError("Expected the log to be on.")
    id_ = uuid4().hex
    answered = AnsweredRequest([answer], [photo], client=_CLIENT, ids=[id_], source="app")
    with opened(log) as store:
        try:
            # None of them is drawn for the audit: only those that are called wrong are here.
            [row] = rows_of(answered, replace(settings, audit_share=0.0), store.folder)
            with store.writing() as connection:
                know_version(connection, row["version"], tuple(answer["probabilities"]))
                connection.execute(insert(answers), [row])
                return correct(connection, Correction(row["id"], label), "app", row["client"], settings.corrections)
        except BaseException:
            drop_photos(store.folder, [id_])
            raise
