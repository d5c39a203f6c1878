"""Answers of somebody, deleted with their photos and corrections."""

from collections.abc import Callable, Collection

from sqlalchemy import ColumnElement, or_, select

from facesent.serving.answers.corrections import photo_of
from facesent.serving.gateway.answers.store import Store
from facesent.serving.gateway.answers.tables import answers


def forget_answers(
    store: Store, ids: Collection[str], is_subject: Callable[[str], bool], photos: Collection[str]
) -> int:
    """Delete answers; how many.

    Args:
        store: the opened log.
        ids: of answers.
        is_subject: whether a pseudonym is that of the person.
        photos: the log's keyed hashes of the person's photos.
    """
    return store.forget(_which(store, ids, is_subject, photos))


def count_answers(
    store: Store, ids: Collection[str], is_subject: Callable[[str], bool], photos: Collection[str]
) -> int:
    """How many answers ``forget_answers`` would delete."""
    which = _which(store, ids, is_subject, photos)
    with store.reading() as connection:
        return len(connection.scalars(select(answers.c.id).where(which)).all())


def _which(
    store: Store, ids: Collection[str], is_subject: Callable[[str], bool], photos: Collection[str]
) -> ColumnElement[bool]:
    with store.reading() as connection:
        named = connection.scalars(select(answers.c.subject).where(answers.c.subject.is_not(None)).distinct())
        subjects = [subject for subject in named if is_subject(subject)]
    return or_(answers.c.id.in_(ids), answers.c.subject.in_(subjects), answers.c.content_hmac.in_(photos))


def photos_of(store: Store, ids: Collection[str], subjects: Collection[str]) -> list[bytes]:
    """The photos that are kept of answers, and of people by their pseudonyms."""
    theirs = or_(answers.c.id.in_(ids), answers.c.subject.in_(subjects))
    with store.reading() as connection:
        kept = [photo_of(store.folder, photo) for photo in connection.scalars(select(answers.c.photo).where(theirs))]
    return [photo.read_bytes() for photo in kept if photo]
