"""DVC's cache and remotes: which objects are a person's images or show them, and their removal."""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facesent.core.errors import DataError, FacesentError

if TYPE_CHECKING:
    from dvc.data_cloud import Remote
    from dvc_data.hashfile.db import HashFileDB

_DIR = ".dir"


@dataclass(frozen=True)
class Listing:
    """A folder as DVC keeps it: a list of names and hashes.

    Attributes:
        oid: of the list itself.
        files: name to hash.
    """

    oid: str
    files: Mapping[str, str]


@contextmanager
def _asking(store: "HashFileDB") -> Iterator[None]:
    """Let a block end with a message: each kind of remote raises errors of its own."""
    try:
        yield
    except Exception as error:
        what = f"{type(error).__name__} {' '.join(str(error).split())}".strip()
        raise FacesentError(
            f"Expected to see and remove files in DVC's cache and remotes. Received from {store.path}: {what}. Mend "
            "that, or remove a remote that is gone for good with `dvc remote remove NAME`, and run it again."
        ) from None


class Objects:
    """The objects of the cache and of all remotes; what its methods raise is a FacesentError.

    Args:
        caches: DVC's own; the first is the one in use.
        remotes: DVC's own.

    Attributes:
        absent: names of remotes whose folder is not there: never pushed to, or on a disk that is away.
    """

    def __init__(self, caches: Iterable["HashFileDB"], remotes: Iterable["Remote"]) -> None:
        remotes = list(remotes)
        self._stores = [*caches, *(store for remote in remotes for store in (remote.odb, remote.legacy_odb))]
        self.absent = [one.name for one in remotes if one.fs.protocol == "local" and not one.fs.exists(one.path)]

    @cached_property
    def listings(self) -> list[Listing]:
        """All folders of all commits, as far as they are there."""
        found: dict[str, Listing] = {}
        for store in self._stores:
            with _asking(store):
                oids = [oid for oid in store.all() if oid.endswith(_DIR)]
            for oid in oids:
                with _asking(store):
                    content = store.fs.cat_file(store.oid_to_path(oid))
                # One that is damaged lists nothing, as DVC sees it.
                with suppress(ValueError, TypeError, KeyError):
                    files = {entry["relpath"]: entry["md5"] for entry in json.loads(content)}
                    found.setdefault(oid, Listing(oid, files))
        return list(found.values())

    def content(self, oid: str) -> bytes | None:
        """An object's bytes; None where it is nowhere."""
        for store in self._stores:
            with _asking(store):
                if store.exists(oid):
                    return bytes(store.fs.cat_file(store.oid_to_path(oid)))
        return None

    def path(self, oid: str) -> Path | None:
        """The file of an object in the cache; None where it is not there, or the cache is no folder."""
        store = self._stores[0]
        return Path(store.oid_to_path(oid)) if store.fs.protocol == "local" and store.exists(oid) else None

    def remove(self, oids: Iterable[str]) -> int:
        """Remove objects from everywhere; returns how many files that were."""
        from dvc_data.hashfile.db import get_index

        # Lists last: whoever comes after a kill finds by them what is left.
        removed, wanted = 0, sorted(set(oids), key=lambda oid: (oid.endswith(_DIR), oid))
        for store in self._stores:
            with _asking(store):
                there = [oid for oid in wanted if store.exists(oid)]
                for oid in there:
                    store.delete(oid)
                # DVC remembers what a remote had.
                get_index(store).clear()
            removed += len(there)
        return removed


@contextmanager
def opened(root: Path, *, alone: bool = False) -> Iterator[Objects]:
    """The cache and the remotes of the project.

    Args:
        root: of the project.
        alone: whether no other DVC command may use them meanwhile.

    Raises:
        FacesentError: DVC is busy, a remote cannot be reached, or keeps versions of its own.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(str(root)) as repo, repo.lock if alone else nullcontext():
            yield Objects(_caches(repo), _remotes(repo))
    except DvcException as error:
        raise FacesentError(f"Expected DVC's cache and remotes to be at hand. Received: {error}") from None


def _caches(repo: Any) -> Iterator["HashFileDB"]:
    yield repo.cache.local
    if repo.cache.legacy is not None:
        yield repo.cache.legacy


def _remotes(repo: Any) -> Iterator["Remote"]:
    for name in repo.config["remote"]:
        try:
            remote = repo.cloud.get_remote(name)
        except ImportError as error:
            raise FacesentError(
                f"Expected to reach DVC's remote {name}. Received: {error}. Install that, or remove a remote that is "
                f"gone for good: dvc remote remove {name}"
            ) from None
        if remote.worktree or remote.fs.version_aware:
            raise DataError(
                f"Expected remotes that keep objects by their hash. Received: {name}, which keeps versions of files. "
                "Remove the person's there with the store's own tools, and the remote: dvc remote remove " + name
            )
        yield remote
