"""Whose images are to be forgotten: in ``data/`` now, in what DVC keeps of earlier, and what looks like them."""

import secrets
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pandas as pd

from facesent.core.errors import DataError
from facesent.core.files import sha256
from facesent.core.paths import Project
from facesent.core.text import some
from facesent.dataset.assignment import read_assignment
from facesent.dataset.files import METADATA, is_image_name
from facesent.dataset.measure import Facts, Reading, one_thread, read_facts
from facesent.dataset.metadata import SOURCE, SOURCE_PHASH, Row, read_metadata
from facesent.dataset.pool import map_in_processes
from facesent.dataset.similarity import alike
from facesent.forgetting import files
from facesent.forgetting.answers import count_answers, photo_keys, photos_of
from facesent.forgetting.objects import Listing, Objects, opened
from facesent.forgetting.person import NOTHING, Content, Person, hashed, keys_of, starts_of
from facesent.forgetting.steps import affected
from facesent.images.threads import cores
from facesent.lineage.git import commits_naming
from facesent.params import Params
from facesent.registry.decisions import now
from facesent.registry.forgetting import Affected, trained_on
from facesent.registry.lineage import data_md5

_CHUNK = 64
_ID_BYTES = 4


@dataclass(frozen=True)
class Request:
    """What a person asks to forget.

    Attributes:
        groups: names in ``metadata.csv``.
        also: names of further images of that person.
        answers: ids in the log of answers.
        subjects: pseudonyms in the log of answers.
        purge_history: whether the lists of hashes of earlier commits go too.
    """

    groups: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    purge_history: bool = False


@dataclass(frozen=True)
class Found:
    """What is to be forgotten.

    Attributes:
        person: of whom.
        files: the images in ``data/``, sorted.
        earlier: the images of earlier commits alone, sorted.
        alike: images that are nearly the same, or the mirror image, of one of these, or of one that was filed with them
            once, and are filed elsewhere; sorted.
        answers: in the log.
        trained: runs and versions that were trained on them, or do not say on what.
        commits: that cannot be checked out afterwards.
        placed: whether they were in a split once; their images may be gone from everywhere since.
    """

    person: Person
    files: tuple[str, ...]
    earlier: tuple[str, ...]
    alike: tuple[str, ...]
    answers: int
    trained: Affected
    commits: tuple[str, ...]
    placed: bool

    @property
    def nothing(self) -> bool:
        """Whether there is nothing to forget."""
        return not (self.files or self.person.contents or self.answers or self.placed)


class _Earlier(NamedTuple):
    """An image of an earlier commit, with the group if it is asked for, and the photo that it was cut from."""

    name: str
    group: str
    source: str
    source_phash: str


def search(project: Project, request: Request, manifest: pd.DataFrame, params: Params) -> Found:
    """Find a person's images, and what was made of them.

    Args:
        project: where.
        request: whose.
        manifest: of the images now, as ``scan`` gives it.
        params: the project's.

    Raises:
        FacesentError: a file of ``also`` is not known, or a store cannot be reached.
    """
    data, memory = project.data, read_assignment(project.assignment)
    with opened(project.root) as objects:
        earlier = _earlier(objects, request.groups, project, params.validate_.max_pixels)
        images = pd.concat([_present(manifest, data), earlier], ignore_index=True)
        kept = photos_of(project, request.answers, request.subjects)
        theirs = _theirs(images, request, data, {Content.of(photo).sha256 for photo in kept})
        photos = kept + [photo for name, md5 in _places(images[theirs]) if (photo := _photo(name, md5, data, objects))]
        person, others = _person(request, photos, images[theirs], objects), images[~theirs]
        once = memory[person.knows(memory)]
        person = _with_lost(person, once, others, project)
        commits = commits_naming(project.root, affected(objects, person), ("data.dvc", "dvc.lock"))
    present = images["md5"] == ""
    # What was filed so once may be filed elsewhere by now.
    similar = others[alike(others, pd.concat([images[theirs], once]), params.split.near_duplicate_distance)]
    return Found(
        person,
        _names(images[theirs & present]),
        _names(images[theirs & ~present & ~images["sha256"].isin(images["sha256"][present])]),
        _names(similar),
        count_answers(project, person),
        trained_on(person.knows),
        tuple(commits),
        not once.empty,
    )


def _theirs(images: pd.DataFrame, request: Request, data: Path, kept: set[str]) -> "pd.Series[bool]":
    """Those that are named so, and those that are the same photo as these or one of the log's, whole or cut.

    Photos are known by the SHA-256 of their bytes.
    """
    also = [name.removeprefix(f"{data.name}/") for name in request.also]
    if unknown := sorted(set(also) - set(images["file_name"])):
        raise DataError(f"Expected images of {data} or of an earlier commit. Received: {some(unknown)}")
    named = images["group"].isin(request.groups) | images["file_name"].isin(also)
    named |= images["file_name"].map(lambda name: PurePosixPath(name).stem).isin(request.answers)
    photos = {*images["sha256"][named], *images[SOURCE][named], *kept} - {"", NOTHING.sha256}
    return named | images["sha256"].isin(photos) | images[SOURCE].isin(photos)


def _person(request: Request, photos: Sequence[bytes], images: pd.DataFrame, objects: Objects) -> Person:
    contents = frozenset(map(Content.of, photos)) - {NOTHING}
    md5s = {content.md5 for content in contents}
    earlier = {name for listing in objects.listings for name, md5 in listing.files.items() if md5 in md5s}
    return Person(
        id=secrets.token_hex(_ID_BYTES), when=now(), groups=keys_of(request.groups), contents=contents,
        sources=frozenset(images[SOURCE]) - {""}, names=frozenset(map(hashed, {*images["file_name"], *earlier})),
        answers=frozenset(request.answers), subjects=frozenset(map(hashed, request.subjects)),
        photos=photo_keys(photos), purge_history=request.purge_history,
    )  # fmt: skip


def _with_lost(person: Person, once: pd.DataFrame, others: pd.DataFrame, project: Project) -> Person:
    """With what only tables still know of images.

    Args:
        person: of whom.
        once: the person's rows of ``assignment.csv``.
        others: the images that are not the person's, among them those that were filed so once.
        project: whose tables.
    """
    known = starts_of([*others["sha256"], *others[SOURCE]])
    placed, sources = starts_of(once["content"]) - known, starts_of(once["source"]) - known
    person = replace(person, placed=placed, sources=person.sources | sources)
    return replace(person, names=person.names | set(map(hashed, files.names_in(project.outputs, person))))


def _names(images: pd.DataFrame) -> tuple[str, ...]:
    return tuple(sorted(set(images["file_name"])))


def _places(images: pd.DataFrame) -> Iterator[tuple[str, str]]:
    return images.drop_duplicates("sha256")[["file_name", "md5"]].itertuples(index=False, name=None)


def _present(manifest: pd.DataFrame, data: Path) -> pd.DataFrame:
    images = manifest[["file_name", "sha256", "phash", "group"]].assign(mirrored=manifest["phash_mirrored"], md5="")
    images[[SOURCE, SOURCE_PHASH]] = manifest[[SOURCE, SOURCE_PHASH]].fillna("")
    for index, name in images["file_name"][images["sha256"].isna()].items():
        # What cannot be decoded is a file of that person all the same.
        with suppress(OSError):
            images.loc[index, "sha256"] = sha256(data / str(name))
    return images[images["sha256"].notna()]


def _earlier(objects: Objects, groups: Collection[str], project: Project, max_pixels: int) -> pd.DataFrame:
    """The images of earlier commits whose files are there, with the group that they had if it is one of ``groups``."""
    images: dict[str, _Earlier] = {}
    for listing in objects.listings:
        said = _rows_in(listing, objects, project.data.name)
        for name, md5 in listing.files.items():
            known = said.get(name, {})
            group = known.get("group", "") if known.get("group") in groups else ""
            if _is_image(name) and (group or md5 not in images):
                images[md5] = _Earlier(name, group, known.get(SOURCE, ""), known.get(SOURCE_PHASH, ""))
    # By content, not by name: a face may have the name of the photo that it was cut from.
    present = _listed_now(objects, project)
    images = {md5: found for md5, found in images.items() if found.group or md5 not in present}
    paths = {md5: path for md5 in images if (path := objects.path(md5))}
    job = partial(read_facts, max_pixels=max_pixels)
    readings = [Reading(str(path)) for path in paths.values()]
    measured = map_in_processes(job, readings, workers=cores(), chunk=_CHUNK, initializer=one_thread)
    facts = dict(zip(paths, measured, strict=True))
    rows = [row for md5, found in images.items() if (row := _row(md5, found, facts.get(md5), objects))]
    columns = ["sha256", "phash", "mirrored", "md5", "file_name", "group", SOURCE, SOURCE_PHASH]
    return pd.DataFrame(rows, columns=columns, dtype="str")


def _listed_now(objects: Objects, project: Project) -> set[str]:
    """The MD5 of what DVC tracks now, which is measured as it lies in ``data/``."""
    oid = data_md5(project)
    return {md5 for listing in objects.listings if listing.oid == oid for md5 in listing.files.values()}


def _rows_in(listing: Listing, objects: Objects, folder: str) -> dict[str, Row]:
    """The row of each image, where the folder's ``metadata.csv`` is there and has one."""
    content = objects.content(listing.files[METADATA]) if METADATA in listing.files else None
    if content is None:
        return {}
    with TemporaryDirectory() as scratch, suppress(DataError):
        path = Path(scratch) / folder / METADATA
        path.parent.mkdir()
        path.write_bytes(content)
        return {row["file_name"]: row for row in read_metadata(path, list(listing.files)).rows}
    return {}


def _is_image(name: str) -> bool:
    folder, _, file = name.rpartition("/")
    return bool(folder) and "/" not in folder and is_image_name(file)


def _row(md5: str, found: _Earlier, facts: Facts | None, objects: Objects) -> tuple[object, ...] | None:
    if facts and facts.sha256:
        return facts.sha256, facts.phash, facts.phash_mirrored, md5, *found
    # One that cannot be decoded, or is in a remote alone.
    content = objects.content(md5) if found.group else None
    if content is None:
        return None
    return Content.of(content).sha256, None, None, md5, *found


def _photo(name: str, md5: str, data: Path, objects: Objects) -> bytes | None:
    return objects.content(md5) if md5 else (data / name).read_bytes()
