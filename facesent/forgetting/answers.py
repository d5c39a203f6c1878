"""The log of answers, as far as it is there: none is made to be emptied."""

import os
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager

from facesent.core.paths import Project
from facesent.core.text import some
from facesent.forgetting.person import Person
from facesent.params import load_params
from facesent.serving.answers import forgetting
from facesent.serving.answers.corrections import full_id
from facesent.serving.answers.log import LogError, opened
from facesent.serving.gateway.answers.keys import content_of, has_content_key
from facesent.serving.gateway.answers.store import ADDRESS_VARIABLE, DEFAULT_ADDRESS, FOLDER, Store


def photo_keys(photos: Iterable[bytes]) -> frozenset[str]:
    """By what the log knows these photos, if it knows any."""
    return frozenset(content_of(photo, FOLDER) for photo in photos) if has_content_key(FOLDER) else frozenset()


def full_ids(project: Project, starts: Collection[str], known: Collection[str] = ()) -> tuple[str, ...]:
    """The ids of answers that begin so.

    Args:
        project: whose log it is.
        starts: of ids.
        known: ids of answers that may have been deleted already.

    Raises:
        LogError: there is no log, or not exactly one such answer in it.
    """
    remembered = [one for one in known if one.startswith(tuple(filter(None, starts)))]
    asked = [start for start in starts if not any(one.startswith(start) for one in remembered)]
    with _log(project) as store:
        if asked and not store:
            raise LogError(f"Expected a log of answers, in which {some(asked)} is looked for. Received: none here.")
        return (*remembered, *(full_id(store, start) for start in asked if store))


def photos_of(project: Project, ids: Collection[str], subjects: Collection[str]) -> list[bytes]:
    """The photos that the log keeps of answers, and of people by their pseudonyms."""
    with _log(project) as store:
        return forgetting.photos_of(store, ids, subjects) if store else []


def count_answers(project: Project, person: Person) -> int:
    """How many answers are of the person."""
    with _log(project) as store:
        return forgetting.count_answers(store, person.answers, person.is_subject, person.photos) if store else 0


def forget_answers(project: Project, person: Person) -> int:
    """Delete them; how many."""
    with _log(project) as store:
        return forgetting.forget_answers(store, person.answers, person.is_subject, person.photos) if store else 0


@contextmanager
def _log(project: Project) -> Iterator[Store | None]:
    if os.environ.get(ADDRESS_VARIABLE) or (project.root / DEFAULT_ADDRESS.removeprefix("sqlite:///")).is_file():
        with opened(load_params(project.params).log) as store:
            yield store
    else:
        yield None
