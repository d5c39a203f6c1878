"""Scoring at scale: the flow beside its network alone, and how cost and memory grow from a thousand photos to millions.

The flow runs in one process with a Prefect server of its own, which shares the cores. The ratio is of the reference CNN
with random weights; growth is of a small one, so that all that is not the network weighs. Files are JPEG of 350x300;
hard links make many of them. For millions there are names alone: they are sorted, planned and found finished.
"""

import multiprocessing
import os
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from benchmarks.contest import Contestant, Timing, Work, contest
from benchmarks.faces import jpegs
from benchmarks.memory import watched
from benchmarks.reference import LABELS
from benchmarks.results import Result, bounded, compared, noted
from benchmarks.scale import growth
from benchmarks.sizes import Size

if TYPE_CHECKING:
    from facesent.scoring.plan import PlannedVersion, ScoringPlan

_UNIT = "photos/s"
_MIB = 2**20
# Photos of a shard for the ratio: both cores have one.
_SHARDS = 6
_SMALL_SIDE = 32
_FEW = 100
_FLAT = 1.1
Found = TypeVar("Found")


@dataclass(frozen=True)
class _Taken:
    """What a process took for ``work`` thousands of photos: seconds and bytes."""

    seconds: float
    memory: int
    work: float

    def timing(self) -> Timing:
        return Timing("", (self.seconds,), self.work)


def run(scratch: Path, size: Size) -> list[Result]:
    """The ratio, the growth, and the millions."""
    folder = scratch / "score"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        return [*_ratio(scratch, folder, size), *_growth(scratch, folder, size), *_millions(folder, size.listed)]
    finally:
        shutil.rmtree(folder)


def _ratio(scratch: Path, folder: Path, size: Size) -> list[Result]:
    photos = jpegs(scratch, size.decoded)
    version = _apart(_reference, folder / "reference", size.side)
    ours = Contestant(
        "flow", partial(_flow, folder / "ratio", photos, version, -(-size.decoded // _SHARDS)), size.decoded
    )
    bare = Contestant("decode and forward passes alone", partial(_bare, photos, version), size.decoded)
    timings = contest([ours, bare], size.rounds)
    what = f"the flow, reference CNN, {size.side}x{size.side}, {size.decoded:,} photos"
    return [compared(what, timings[ours.name], timings[bare.name], at_least=0.9, unit=_UNIT)]


def _growth(scratch: Path, folder: Path, size: Size) -> list[Result]:
    version = _apart(_reference, folder / "small", _SMALL_SIDE)
    taken = [
        _apart(_flow_over_links, folder / f"growth-{count}", jpegs(scratch, size.decoded), version, count)
        for count in size.scored
    ]
    before, largest = taken[-2:]
    what = f"the flow, peak memory, {largest.work / before.work:g} times the photos"
    return [
        *growth(f"the flow, {_SMALL_SIDE}x{_SMALL_SIDE}", [one.timing() for one in taken]),
        *(
            noted(f"the flow, {one.work:,g} thousand photos: peak memory", f"{one.memory / _MIB:,.0f} MiB")
            for one in taken
        ),
        bounded(what, largest.memory / before.memory, at_most=_FLAT, unit="times the memory"),
    ]


def _millions(folder: Path, count: int) -> list[Result]:
    steps: dict[str, Callable[[Path, int], _Taken]] = {
        "sort the names of a folder": _sort, "plan a list": _plan, "find all shards finished": _resume,
    }  # fmt: skip
    (folder / "millions").mkdir()
    rows = []
    for what, step in steps.items():
        taken = _apart(step, folder / "millions", count)
        memory = f"{taken.memory / _MIB:,.0f} MiB"
        rows.append(noted(f"{count:,} photos: {what}", f"{taken.seconds:.1f} s, {memory} at most"))
    return rows


def _apart(job: Callable[..., Found], *arguments: object) -> Found:
    """Run it in a process of its own, whose memory is nobody else's."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(job, *arguments).result()


def _reference(folder: Path, side: int) -> "PlannedVersion":
    from facesent.model.architectures.build import build
    from facesent.model.settings import Model
    from facesent.model.storage import save_labels, save_model
    from facesent.scoring.plan import PlannedVersion

    network = build(Model(name="reference_cnn", image_size=side, dropout=0.5, batch_norm_momentum=0.99), len(LABELS))
    version = PlannedVersion(1, folder / "model.keras", folder / "labels.json", 0.0)
    save_model(network, version.model)
    save_labels(LABELS, version.labels)
    return version


def _bare(photos: Path, version: "PlannedVersion") -> Work:
    from facesent.asking.answers import BATCH
    from facesent.images.reading import read_image
    from facesent.images.threads import map_ahead
    from facesent.prediction.classifier import Classifier

    classifier = Classifier.load(version.model, version.labels)
    paths = sorted(photos.glob("*/*.jpg"))

    def work() -> None:
        import numpy as np

        read = map_ahead(lambda path: read_image(path.read_bytes(), classifier.image_size), paths, ahead=BATCH)
        while batch := [pixels for _, pixels in zip(range(BATCH), read, strict=False)]:
            classifier.probabilities(np.array(batch))

    return work


def _flow(folder: Path, photos: Path, version: "PlannedVersion", shard_size: int) -> Work:
    """The flow from its first moment to its last; Prefect's server runs, and the network is loaded."""
    from facesent.scoring.plan import Wanted, alone, make_plan

    target = folder / "answers"
    with alone(target):
        make_plan(target, Wanted(str(photos), shard_size=shard_size), version)
    start = _prefect(folder)

    def work() -> None:
        for shard in target.glob("*.parquet"):
            shard.unlink()
        start(str(photos), str(target))

    return work


def _prefect(folder: Path) -> Callable[[str, str], None]:
    """Start a server of Prefect's, which ends with this process, and give what runs the flow."""
    (folder / "outputs").mkdir(parents=True, exist_ok=True)
    os.chdir(folder)
    # The project's prefect.toml is not read here.
    os.environ |= {"PREFECT_HOME": str(folder / "prefect"), "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
    os.environ["PREFECT_LOGGING_LEVEL"] = "WARNING"
    os.environ.pop("PREFECT_API_URL", None)
    from flows.score import score
    from flows.server import prefect_api

    ready = ExitStack().enter_context(prefect_api())
    ready()

    def start(source: str, target: str) -> None:
        state = score(source, target, return_state=True)
        if not state.is_completed():
            raise RuntimeError(f"Expected the flow to complete. Received: {state.message}")

    return start


def _flow_over_links(folder: Path, photos: Path, version: "PlannedVersion", count: int) -> _Taken:
    """A run with listing, planning, and loading the network, after one of few photos, for which all is imported."""
    from facesent.scoring.plan import Wanted, alone, make_plan

    for name, links in (("few", _FEW), ("photos", count)):
        _link(photos, folder / name, links)
    start = _prefect(folder)

    def score(name: str) -> None:
        target = folder / f"answers-of-{name}"
        with alone(target):
            make_plan(target, Wanted(name), version)
        start(name, target.name)

    score("few")
    with watched() as peak:
        begun = time.perf_counter()
        score("photos")
        seconds = time.perf_counter() - begun
    return _Taken(seconds, peak.resident, count / 1000)


def _link(photos: Path, folder: Path, count: int) -> None:
    """As many photos as wanted, without their room on the disk."""
    sources = sorted(photos.glob("*/*.jpg"))
    for number in range(count):
        link = folder / f"{number // 10_000:03d}" / f"{number:07d}.jpg"
        link.parent.mkdir(parents=True, exist_ok=True)
        link.hardlink_to(sources[number % len(sources)])


def _names(count: int) -> Iterator[str]:
    """Names without an order."""
    return (f"photo-{(number * 7_368_787) % count:08d}.jpg" for number in range(count))


def _sort(folder: Path, count: int) -> _Taken:
    from facesent.scoring.in_order import in_order

    def sort() -> None:
        with (folder / "list.txt").open("w", encoding="utf-8") as file:
            file.writelines(f"photos/{name}\n" for name in in_order(_names(count)))

    return _timed(sort, count)


def _plan(folder: Path, count: int) -> _Taken:
    """Of a version that is two small files: what counts is the list."""
    from facesent.scoring.plan import PlannedVersion, Wanted, alone, make_plan

    for name in ("model.keras", "labels.json"):
        (folder / name).write_text('["Happy"]', encoding="utf-8")
    version = PlannedVersion(1, folder / "model.keras", folder / "labels.json", 0.0)

    def plan() -> None:
        with alone(folder / "answers"):
            make_plan(folder / "answers", Wanted(str(folder / "list.txt")), version)

    return _timed(plan, count)


def _resume(folder: Path, count: int) -> _Taken:
    """All shards but the last are links to one that is written as shards are."""
    from facesent.images.reading import ImageError
    from facesent.scoring.plan import names_of, plan_of
    from facesent.scoring.shards import path_of, shards_of, write

    target = folder / "answers"
    plan = plan_of(target)
    if plan is None:
        raise RuntimeError("Expected a plan. Received: none.")
    for number in (0, plan.shards - 1):
        write([(name, ImageError("not there")) for name in names_of(target, number)], target, plan, number)
    for number in range(1, plan.shards - 1):
        path_of(target, number).hardlink_to(path_of(target, 0))
    return _timed(lambda: _require_finished(shards_of(target, plan), plan), count)


def _require_finished(shards: "Iterator[object]", plan: "ScoringPlan") -> None:
    from facesent.scoring.shards import Shard

    done = sum(isinstance(shard, Shard) and shard.counts is not None for shard in shards)
    if done != plan.shards:
        raise RuntimeError(f"Expected {plan.shards} finished shards. Received: {done}.")


def _timed(step: Callable[[], None], count: int) -> _Taken:
    with watched() as peak:
        begun = time.perf_counter()
        step()
        seconds = time.perf_counter() - begun
    return _Taken(seconds, peak.resident, count / 1000)
