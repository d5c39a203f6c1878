"""The log of answers, as far as it is there: none is made to be emptied."""

import os
from collections.abc import Collection, Iterable

from facesent.core.paths import Project
from facesent.core.text import some
from facesent.forgetting.person import Person
from facesent.params import load_params
from facesent.serving.answers import forgetting
from facesent.serving.answers.deciding import full_id
from facesent.serving.answers.opening import LogError, opened
from facesent.serving.gateway.answers.keys import content_of, has_content_key
from facesent.serving.gateway.answers.store import ADDRESS_VARIABLE, DEFAULT_ADDRESS, FOLDER


def photo_keys(photos: Iterable[bytes]) -> frozenset[str]:
    """By what the log knows these photos, if it knows any."""
    return frozenset(content_of(photo, FOLDER) for photo in photos) if has_content_key(FOLDER) else frozenset()


def full_ids(project: Project, starts: Iterable[str]) -> tuple[str, ...]:
    """The ids of answers that begin so.

    Raises:
        LogError: there is no log, or not exactly one such answer in it.
    """
    starts = tuple(starts)
    if not starts:
        return ()
    if not _has_log(project):
        raise LogError(f"Expected a log of answers, in which {some(starts)} is looked for. Received: none here.")
    with opened(load_params(project.params).log) as store:
        return tuple(full_id(store, start) for start in starts)


def photos_of(project: Project, ids: Collection[str], subjects: Collection[str]) -> list[bytes]:
    """The photos that the log keeps of answers, and of people by their pseudonyms."""
    if not (ids or subjects) or not _has_log(project):
        return []
    with opened(load_params(project.params).log) as store:
        return forgetting.photos_of(store, ids, subjects)


def count_answers(project: Project, person: Person) -> int:
    """How many answers are of the person."""
    if not _has_log(project):
        return 0
    with opened(load_params(project.params).log) as store:
        return forgetting.count_answers(store, person.answers, person.is_subject, person.photos)


def forget_answers(project: Project, person: Person) -> int:
    """Delete them; how many."""
    if not _has_log(project):
        return 0
    with opened(load_params(project.params).log) as store:
        return forgetting.forget_answers(store, person.answers, person.is_subject, person.photos)


def _has_log(project: Project) -> bool:
    default = project.root / DEFAULT_ADDRESS.removeprefix("sqlite:///")
    return bool(os.environ.get(ADDRESS_VARIABLE)) or default.is_file()
