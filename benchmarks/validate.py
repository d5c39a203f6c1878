"""Stage validate: the scan of 15,453 JPEG against decoding alone, Great Expectations' part, the second scan, memory."""

import io
import multiprocessing
import shutil
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from multiprocessing.util import Finalize
from pathlib import Path

from benchmarks.contest import Contestant, Timing, Work, contest, fastest
from benchmarks.faces import jpegs
from benchmarks.projects import ROOT, STAGE, configure, python
from benchmarks.results import Result, bounded, compared, noted, show
from benchmarks.sizes import Size

_MAX_PIXELS = 50_000_000
# A row is about a kilobyte, in the scan and once more in the table; the pixels of a thousand images are 300 MiB.
_ROWS_MIB = 4.0
_PARTS = ("-m", "benchmarks.validate_parts")
_THREADS, _PROCESSES = (f"Pillow, reading and decoding alone, {pool}" for pool in ("threads", "processes"))


def run(scratch: Path, size: Size) -> list[Result]:
    """Rows of the scan, then of the whole stage as a process."""
    faces, few = jpegs(scratch, size.images), jpegs(scratch, size.few)
    # The second scan is prepared by a first, which also brings all files into the system's memory.
    contestants = [
        Contestant("scan", partial(_scan, faces), size.images),
        Contestant(_THREADS, partial(_decode_in_threads, faces), size.images, peer=True),
        Contestant(_PROCESSES, partial(_decode_in_processes, faces), size.images, peer=True),
        Contestant("second scan", partial(_scan_again, faces, scratch), size.images),
    ]
    timings = contest(contestants, min(size.rounds, 3), warmups=0)
    decoding = fastest([timings[_THREADS], timings[_PROCESSES]])
    return [
        compared("scan, both cores", timings["scan"], decoding, at_least=0.7, unit="images/s"),
        noted("second scan, nothing changed", show(timings["second scan"], "s")),
        *_stage_rows(scratch, size, decoding),
        *_memory_rows(faces, few, size),
    ]


def _scan(faces: Path) -> Work:
    from facesent.dataset.manifest import scan

    return partial(scan, faces, max_pixels=_MAX_PIXELS)


def _scan_again(faces: Path, scratch: Path) -> Work:
    from facesent.dataset.manifest import scan
    from facesent.dataset.scan_cache import ScanCache

    file = scratch / "scan.parquet"
    cache = ScanCache()
    # Files that were made a moment ago would be hashed again.
    cache.settled_before = time.time_ns()
    scan(faces, max_pixels=_MAX_PIXELS, cache=cache)
    cache.write(file)
    return lambda: scan(faces, max_pixels=_MAX_PIXELS, cache=ScanCache.read(file))


def _decode_in_threads(faces: Path) -> Work:
    from facesent.images.threads import cores

    return partial(_decode_all, ThreadPoolExecutor(cores()), 1, sorted(faces.glob("*/*")))


def _decode_in_processes(faces: Path) -> Work:
    from facesent.images.threads import cores

    pool = ProcessPoolExecutor(cores(), mp_context=multiprocessing.get_context("spawn"))
    # Before its queue is closed, which comes first when a process ends: its own would then wait for ever.
    Finalize(None, pool.shutdown, exitpriority=100)
    return partial(_decode_all, pool, 32, sorted(faces.glob("*/*")))


def _decode_all(pool: ThreadPoolExecutor | ProcessPoolExecutor, chunk: int, files: list[Path]) -> None:
    for _ in pool.map(_decode, files, chunksize=chunk):
        pass


def _decode(file: Path) -> None:
    from PIL import Image

    with Image.open(io.BytesIO(file.read_bytes())) as image:
        image.load()


def _stage_rows(scratch: Path, size: Size, decoding: Timing) -> list[Result]:
    """The stage as a process, from its start to its end, and what of it is Great Expectations'."""
    root = _project(scratch, size)
    stage = [*STAGE, "validate"]
    own = [_seconds([*_PARTS, "without_expectations"], root, cold=True) for _ in range(min(size.rounds, 2))]
    whole = _seconds(stage, root, cold=True)
    again = _seconds(stage, root)
    imported = _seconds(["-c", "import great_expectations"], root)
    checked = float(python(root, [*_PARTS, "seconds_of_checks"], ROOT))
    without = Timing("stage", tuple(own), size.images)
    return [
        compared("stage without Great Expectations, start to end", without, decoding, at_least=0.7, unit="images/s"),
        noted("stage, start to end", f"{whole:.1f} s"),
        noted("Great Expectations' import alone, half of it hidden behind the scan", f"{imported:.1f} s"),
        noted("Great Expectations' checks and pages", f"{checked:.1f} s"),
        noted("stage again, nothing changed", f"{again:.1f} s"),
    ]


def _memory_rows(faces: Path, few: Path, size: Size) -> list[Result]:
    """MiB of the process that scans and of its workers, each at its own peak."""
    small, large = (float(python(folder, [*_PARTS, "peak_of_scan"], ROOT)) for folder in (few, faces))
    growth = max(0.0, large - small) / (size.images - size.few) * 1000
    what = f"scan, peak memory of all processes, {size.few:,} and {size.images:,} images"
    return [
        noted(what, f"{small:.0f} and {large:.0f} MiB"),
        bounded("scan, growth of peak memory a thousand images", growth, at_most=_ROWS_MIB, unit="MiB"),
    ]


def _project(scratch: Path, size: Size) -> Path:
    root = scratch / "validate"
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    (root / "data").symlink_to(jpegs(scratch, size.images), target_is_directory=True)
    configure(root, "quick", size.settings)
    return root


def _seconds(arguments: list[str], root: Path, *, cold: bool = False) -> float:
    if cold:
        shutil.rmtree(root / "outputs", ignore_errors=True)
    start = time.perf_counter()
    python(root, arguments, ROOT)
    return time.perf_counter() - start
