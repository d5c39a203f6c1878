"""What is to be forgotten, told by hashes alone, and kept in a file until nothing of it is left."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path, PurePosixPath

import pandas as pd
from pydantic import TypeAdapter

from facesent.core.errors import FacesentError
from facesent.core.files import replaced
from facesent.dataset.assignment import identities

# As many of a SHA-256 as assignment.csv and a model's own list of what it was trained on keep.
_DIGITS = 16


@dataclass(frozen=True)
class Content:
    """The bytes of an image.

    Attributes:
        sha256: of them.
        md5: of them, as DVC calls them.
        size: of them.
    """

    sha256: str
    md5: str
    size: int

    @classmethod
    def of(cls, content: bytes) -> "Content":
        """Those of ``content``."""
        digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
        return cls(hashlib.sha256(content).hexdigest(), digest, len(content))


@dataclass(frozen=True)
class Person:
    """Somebody who is to be forgotten, without the name and without a picture.

    Attributes:
        id: a random one, by which the record calls this.
        when: it was asked for; ISO 8601, UTC.
        groups: the names of the groups as ``assignment.csv`` has them.
        contents: of the images.
        placed: starts of the SHA-256 of the images that were in a split once; the files may be gone from everywhere.
        sources: SHA-256, or its start, of the photos that images were cut from.
        names: hashes of the names that the images have or had below ``data/``.
        answers: ids of answers in the log.
        subjects: hashes of the pseudonyms in the log.
        photos: the log's keyed hashes of the images.
        purge_history: whether the lists of hashes of earlier commits go too.
        versions: that have to be trained again.
    """

    id: str
    when: str
    groups: frozenset[str] = frozenset()
    contents: frozenset[Content] = frozenset()
    placed: frozenset[str] = frozenset()
    sources: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    answers: frozenset[str] = frozenset()
    subjects: frozenset[str] = frozenset()
    photos: frozenset[str] = frozenset()
    purge_history: bool = False
    versions: tuple[int, ...] = ()

    @property
    def sha256s(self) -> frozenset[str]:
        """Of the images."""
        return frozenset(content.sha256 for content in self.contents)

    @property
    def md5s(self) -> frozenset[str]:
        """Of the images."""
        return frozenset(content.md5 for content in self.contents)

    @cached_property
    def starts(self) -> frozenset[str]:
        """Of the SHA-256 of the images and of the photos that they were cut from, also of those that are gone."""
        return self.placed | starts_of(self.sha256s | self.sources)

    @property
    def lost(self) -> frozenset[str]:
        """Of the images whose files were found nowhere."""
        return self.placed - starts_of(self.sha256s)

    @property
    def unsized(self) -> frozenset[str]:
        """Of the images whose files were found nowhere, and of the photos that they were cut from: no size is known."""
        return self.starts - starts_of(self.sha256s)

    def is_of(self, sha256: str) -> bool:
        """Whether a content is that of one of the images, or of a photo that one was cut from."""
        return sha256[:_DIGITS] in self.starts

    def is_subject(self, subject: str) -> bool:
        """Whether a pseudonym of the log is the person's."""
        return hashed(subject) in self.subjects

    def shows(self, file_name: str) -> bool:
        """Whether a name below ``data/`` is or was that of one of the images, or of an answer's photo."""
        return hashed(file_name) in self.names or PurePosixPath(file_name).stem in self.answers

    def knows(self, images: pd.DataFrame) -> "pd.Series[bool]":
        """Which rows of ``assignment.csv``, or of a table with its columns, are of the images or the person."""
        same = images["content"].isin(self.starts) | images["source"].isin(self.starts)
        return same | images["person"].isin(self.groups)

    def has(self, rows: pd.DataFrame) -> "pd.Series[bool]":
        """Which rows of a table are surely about one of the images: by content or group.

        Args:
            rows: with ``sha256``, ``file_name`` and ``group``, all text, empty where the table does not say.
        """
        return rows["sha256"].map(self.is_of).astype(bool) | _keys(rows["group"]).isin(self.groups)

    def may_have(self, rows: pd.DataFrame) -> "pd.Series[bool]":
        """The same, and by the name alone where nothing says the content; another image may have that name by now."""
        return self.has(rows) | ((rows["sha256"] == "") & rows["file_name"].map(self.shows).astype(bool))


NOTHING = Content.of(b"")
"""An image file without a byte: known by its name alone, for an empty file is nobody's."""


def starts_of(sha256s: Iterable[str]) -> frozenset[str]:
    """Contents as ``assignment.csv`` has them; not that of what has none."""
    return frozenset(sha256[:_DIGITS] for sha256 in sha256s) - {""}


def keys_of(groups: Iterable[str]) -> frozenset[str]:
    """Groups as ``assignment.csv`` has them."""
    return frozenset(_keys(pd.Series(list(groups), dtype=str)))


def _keys(groups: "pd.Series[str]") -> "pd.Series[str]":
    images = pd.DataFrame({"sha256": "", "group": groups.mask(groups == ""), "phash": ""})
    return identities(images)["person"].set_axis(groups.index)


def hashed(name: str) -> str:
    """A name that nobody reads."""
    return hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()


def path_of(root: Path) -> Path:
    """Where a person is kept who is not forgotten yet."""
    return root / ".dvc" / "tmp" / "facesent-forget.json"


def keep(root: Path, person: Person) -> Person:
    """Keep it for whoever comes next, should this process be ended."""
    path = path_of(root)
    with replaced(path) as draft:
        draft.touch(mode=0o600)
        draft.write_text(TypeAdapter(Person).dump_json(person, indent=1).decode(), encoding="utf-8")
    return person


def kept(root: Path) -> Person | None:
    """The person who is not forgotten yet, if there is one.

    Raises:
        FacesentError: the file is damaged.
    """
    path = path_of(root)
    if not path.is_file():
        return None
    try:
        return TypeAdapter(Person).validate_json(path.read_bytes())
    except ValueError:
        raise FacesentError(
            f"Expected in {path} the person whom an interrupted `facesent forget` left. Received: something else. "
            "Remove the file, and run facesent forget GROUP again."
        ) from None


def done(root: Path) -> None:
    """Nothing is left."""
    path_of(root).unlink()


def with_versions(root: Path, person: Person, versions: tuple[int, ...]) -> Person:
    """Keep which versions have to be trained again, also those that were found before."""
    return keep(root, replace(person, versions=tuple(sorted({*person.versions, *versions}))))
