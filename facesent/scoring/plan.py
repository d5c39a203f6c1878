"""What is scored, by which version and how: decided once for a folder of answers, and kept in it.

``TARGET/_plan`` holds the list of photos, a copy of the version, and ``plan.json``, which is written last. So workers
need nothing but the folder and the photos, and neither a promotion nor a new photo changes what a further run does.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from facesent.asking.answers import Wish
from facesent.core.console import NO_PROGRESS, Progress
from facesent.core.cropping import DEFAULT_CROP, Crop
from facesent.core.files import DRAFT, locked, replaced
from facesent.model.storage import load_labels, model_sha256
from facesent.scoring.errors import ScoringError
from facesent.scoring.photos import expected_images, is_same_source, photos_of
from facesent.scoring.tables import COMPRESSION

SHARD_SIZE = 1024
"""A multiple of the batch, so that batches, and with them the last digits, are those of ``facesent predict``."""

_FOLDER, _PLAN, _PHOTOS = "_plan", "plan.json", "photos.parquet"
_MODEL, _LABELS = "model.keras", "labels.json"
_LIST = pa.schema([("name", pa.binary())])
_SECONDS_TO_BE_GONE = 3.0


@dataclass(frozen=True)
class Wanted:
    """What a run asks for; what is None is as planned, or the default.

    Attributes:
        source: as for ``photos_of``.
        version: a number.
        crop: "none" or "largest".
        min_confidence: below which an answer is "uncertain".
        shard_size: photos a shard.
    """

    source: str
    version: int | None = None
    crop: Crop | None = None
    min_confidence: float | None = None
    shard_size: int | None = None


@dataclass(frozen=True)
class PlannedVersion:
    """A version of the model.

    Attributes:
        number: by which it is registered.
        model: its file.
        labels: its file.
        min_confidence: its own.
        alias: by which it was asked for; empty if by its number, or not at all.
    """

    number: int
    model: Path
    labels: Path
    min_confidence: float
    alias: str = ""


@dataclass(frozen=True)
class ScoringPlan:
    """What is decided for a folder of answers.

    Attributes:
        source: of the photos.
        version: that answers.
        crop: as in ``Wish``.
        min_confidence: as in ``Wish``.
        shard_size: photos a shard; the last may have fewer.
        photos: in all.
        photos_sha256: of their names.
        model_sha256: of the version's files.
        alias: as in ``PlannedVersion``; it may be another version's since.
    """

    source: str
    version: int
    crop: Crop
    min_confidence: float
    shard_size: int
    photos: int
    photos_sha256: str
    model_sha256: str
    alias: str = ""

    @property
    def shards(self) -> int:
        """How many there are."""
        return -(-self.photos // self.shard_size)

    @property
    def wish(self) -> Wish:
        """How each photo is to be answered."""
        return Wish(self.min_confidence, crop=self.crop)

    @cached_property
    def identity(self) -> str:
        """What a shard says of the plan it belongs to; no alias changes an answer."""
        values = {name: value for name, value in asdict(self).items() if name != "alias"}
        return hashlib.sha256(_json(values).encode()).hexdigest()

    def size_of(self, shard: int) -> int:
        """How many photos a shard has."""
        return min(self.shard_size, self.photos - shard * self.shard_size)

    def to_json(self) -> str:
        """As it is kept."""
        return _json(asdict(self))


def plan_of(target: Path) -> ScoringPlan | None:
    """The plan of a folder of answers; None where there is none yet.

    Raises:
        ScoringError: it cannot be read.
    """
    path = target / _FOLDER / _PLAN
    try:
        return ScoringPlan(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError):
        raise ScoringError(
            f"Expected the plan of an earlier run in {path}. Received: none in it. Score into another folder."
        ) from None


def check(planned: ScoringPlan, wanted: Wanted, target: Path) -> None:
    """Refuse a run that wants anything else than was planned.

    Raises:
        ScoringError: naming the first thing that differs.
    """
    for name, value in asdict(wanted).items():
        before = getattr(planned, name)
        same = is_same_source(value, before) if name == "source" else value == before
        if value is not None and not same:
            what = name.replace("_", " ")
            raise ScoringError(
                f"Expected {what} {before}, with which {target} was begun. Received: {value}. Score into another "
                "folder, or go on with what it was begun with."
            )


def make_plan(target: Path, wanted: Wanted, version: PlannedVersion, progress: Progress = NO_PROGRESS) -> ScoringPlan:
    """List the photos, copy the version, and write down what is decided.

    Args:
        target: a folder that the caller has ``alone``.
        wanted: of the run.
        version: that answers.
        progress: called with the photos that were found, and 0.

    Raises:
        ScoringError: there are no photos, or they cannot be listed.
    """
    folder = target / _FOLDER
    size = wanted.shard_size or SHARD_SIZE
    photos, digest = _write_list(photos_of(wanted.source), folder / _PHOTOS, size, progress)
    if not photos:
        raise ScoringError(f"Expected {expected_images()} in {wanted.source}. Received: none.")
    for source, name in ((version.model, _MODEL), (version.labels, _LABELS)):
        with replaced(folder / name) as draft:
            shutil.copyfile(source, draft)
    confidence = version.min_confidence if wanted.min_confidence is None else wanted.min_confidence
    plan = ScoringPlan(
        source=wanted.source,
        version=version.number,
        crop=wanted.crop or DEFAULT_CROP,
        min_confidence=confidence,
        shard_size=size,
        photos=photos,
        photos_sha256=digest,
        model_sha256=model_sha256(folder / _MODEL, folder / _LABELS),
        alias=version.alias,
    )
    with replaced(folder / _PLAN) as draft:
        draft.write_text(plan.to_json(), encoding="utf-8")
    return plan


def names_of(target: Path, shard: int) -> list[str]:
    """The photos of a shard; the others are not read."""
    with pq.ParquetFile(target / _FOLDER / _PHOTOS) as file:
        return [os.fsdecode(name) for name in file.read_row_group(shard).column("name").to_pylist()]


def labels_of(target: Path) -> list[str]:
    """The labels of the version that answers."""
    return load_labels(target / _FOLDER / _LABELS)


def model_of(target: Path, plan: ScoringPlan) -> tuple[Path, Path]:
    """Weights and labels of the version that answers.

    Raises:
        ScoringError: they are not those that were copied.
    """
    files = target / _FOLDER / _MODEL, target / _FOLDER / _LABELS
    if model_sha256(*files) != plan.model_sha256:
        raise ScoringError(
            f"Expected version {plan.version} in {target / _FOLDER}. Received: other weights or labels. Score into "
            "another folder."
        )
    return files


@contextmanager
def alone(target: Path) -> Iterator[None]:
    """Have a folder of answers for one run, without what a killed one left half written.

    Raises:
        ScoringError: another run has it, or it holds something else.
    """
    if plan_of(target) is None:
        _require_empty(target)
    busy = ScoringError(
        f"Expected {target} for this run alone. Received: another run writes to it. Wait until it has ended."
    )
    # One that was killed a moment ago may take another to be gone.
    with locked(target / _FOLDER / ".lock", busy, seconds=_SECONDS_TO_BE_GONE):
        for folder in (target, target / _FOLDER):
            for draft in folder.glob(f"{DRAFT}*"):
                shutil.rmtree(draft, ignore_errors=True)
        yield


def _json(values: Mapping[str, object]) -> str:
    return json.dumps(values, ensure_ascii=False, indent=1) + "\n"


def _require_empty(target: Path) -> None:
    others = (place.name for place in target.iterdir() if place.name != _FOLDER) if target.is_dir() else iter(())
    if other := next(others, None):
        raise ScoringError(
            f"Expected a new folder, an empty one, or answers of an earlier run. Received: {target}, which holds "
            f"{other}. Name another folder."
        )


def _write_list(names: Iterable[str], path: Path, size: int, progress: Progress) -> tuple[int, str]:
    """Write a row group a shard, and give how many photos there are and the hash of their names."""
    count, digest, left = 0, hashlib.sha256(), iter(names)
    with (
        replaced(path) as draft,
        # Statistics of names would make up most of the footer, which each shard reads.
        pq.ParquetWriter(draft, _LIST, compression=COMPRESSION, write_statistics=False, use_dictionary=False) as writer,
    ):
        while shard := [os.fsencode(name) for name in islice(left, size)]:
            writer.write_table(pa.table({"name": shard}, _LIST), row_group_size=size)
            digest.update(b"\0".join([*shard, b""]))
            count += len(shard)
            progress(count, 0)
    return count, digest.hexdigest()
