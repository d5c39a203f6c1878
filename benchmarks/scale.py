"""How time and memory grow with the number of images: scan and split up to 150,000, and training's peak memory."""

import hashlib
import multiprocessing
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.contest import Contestant, Timing, contest
from benchmarks.faces import jpegs
from benchmarks.memory import peak_of_training
from benchmarks.results import Result, bounded
from benchmarks.sizes import Size

if TYPE_CHECKING:
    import pandas as pd

_PERSON = 6
_MAX_PIXELS = 50_000_000
# Twice the images in at most twice the time; the rest is what two timings of one thing may differ by.
_LINEAR = 1.1
_GIB = 2**30


def run(scratch: Path, size: Size) -> list[Result]:
    """Rows of the scan, of the split, and of the memory that a training takes."""
    scans = [Contestant(f"scan {each}", partial(_scan, scratch, size, each), each / 1000) for each in size.scanned]
    alone = [Contestant(f"alone {each}", partial(_split, each, 1), each / 1000) for each in size.split]
    persons = [Contestant(f"persons {each}", partial(_split, each, _PERSON), each / 1000) for each in size.split]
    timings = contest(scans, rounds=1) | contest([*alone, *persons], min(size.rounds, 3))
    return [
        *growth("scan", [timings[each.name] for each in scans]),
        *growth("split, each image alone", [timings[each.name] for each in alone]),
        *growth(f"split, {_PERSON} images a person", [timings[each.name] for each in persons]),
        *_memory(scratch, size),
    ]


def growth(what: str, timings: Sequence[Timing]) -> list[Result]:
    """A row a number of images, and one for what the largest costs beside the one before.

    Args:
        what: is done.
        timings: the work of each is in thousands of images.
    """
    rows = [
        bounded(f"{what}: {timing.work:,g} thousand images, a thousand", _a_thousand(timing), unit="s")
        for timing in timings
    ]
    before, largest = timings[-2:]
    factor, ratio = largest.work / before.work, largest.median / before.median
    what = f"{what}: {factor:g} times the images take"
    return [*rows, bounded(what, ratio, at_most=_LINEAR * factor, unit="times the time")]


def _a_thousand(timing: Timing) -> Timing:
    return Timing(timing.name, tuple(seconds / timing.work for seconds in timing.seconds))


def _scan(scratch: Path, size: Size, images: int) -> Callable[[], object]:
    """The real scan over links to files of another set: as many images as wanted, without their room on the disk."""
    from facesent.dataset.manifest import scan

    folder = scratch / f"scale-{images}"
    shutil.rmtree(folder, ignore_errors=True)
    for source in sorted(jpegs(scratch, size.images).glob("*/*.jpg"))[:images]:
        link = folder / source.parent.name / source.name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.hardlink_to(source)
    return partial(scan, folder, max_pixels=_MAX_PIXELS)


def _split(images: int, person: int) -> Callable[[], object]:
    from facesent.dataset.assignment import read_assignment
    from facesent.dataset.splits import split

    return partial(
        split,
        _manifest(images, person),
        read_assignment(Path("none")),
        val=0.1,
        test=0.1,
        seed=7,
        near_duplicate_distance=4,
        torn="leave_out",
    )


def _manifest(images: int, person: int) -> "pd.DataFrame":
    """What the split reads of a manifest; a fiftieth of the images are exact or near duplicates of another one."""
    import numpy as np
    import pandas as pd

    sha256 = [hashlib.sha256(b"%d" % index).hexdigest() for index in range(images)]
    phash = [text[:16] for text in sha256]
    for index in range(50, images, 100):
        sha256[index] = sha256[index - 7]
        phash[index] = phash[index - 7]
        phash[index - 20] = f"{int(phash[index - 27], 16) ^ 0b101:016x}"
    # The Kaggle set's six classes, roughly.
    label = np.random.default_rng(7).choice(list("ABCDEF"), images, p=[0.08, 0.09, 0.24, 0.26, 0.25, 0.08])
    label[np.arange(50, images, 100)] = label[np.arange(43, images - 7, 100)]
    names = [f"{name}/{index:06d}.jpg" for index, name in enumerate(label)]
    group = [f"person {index // person}" for index in range(images)] if person > 1 else [None] * images
    table = {"file_name": names, "label": label, "group": group, "split": [None] * images, "sha256": sha256}
    return pd.DataFrame({**table, "phash": phash, "phash_mirrored": phash, "ok": True}).astype(
        {"group": "str", "split": "str"}
    )


def _memory(scratch: Path, size: Size) -> list[Result]:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        peak = pool.submit(peak_of_training, jpegs(scratch, size.images), scratch / "memory", size).result()
    what = f"training, {size.images:,} images at {size.side}x{size.side}"
    return [
        bounded(f"{what}: peak memory", peak.resident / _GIB, at_most=4, unit="GiB"),
        bounded(f"{what}: of it not backed by files", peak.anonymous / _GIB, unit="GiB"),
    ]
