"""Stage validate: the scan of 15,453 JPEG against decoding alone, Great Expectations' part, the second scan, memory."""

import io
import multiprocessing
import shutil
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from pathlib import Path

from benchmarks.contest import Contestant, Timing, Work, contest
from benchmarks.faces import jpegs
from benchmarks.projects import ROOT
from benchmarks.results import Result, bounded, compared, noted, show

IMAGES, FEW = 15_453, 1_500
_MAX_PIXELS = 50_000_000
_OWN_ROUNDS = 2
# A row is about a kilobyte, in the scan and once more in the table; the pixels of a thousand images are 300 MiB.
_ROWS_MIB = 4.0

_WITHOUT_EXPECTATIONS = """
from facesent.dataset import expectations
expectations.load, expectations.check = (lambda: None), (lambda *_: [])
from facesent.core.paths import Project
from facesent.stages.validate import validate
validate(Project())
"""
_CHECKS = """
import time
from pathlib import Path
import pandas as pd
from facesent.dataset.expectations import check, load
from facesent.dataset.files import class_folders
from facesent.params import load_params
from facesent.core.paths import Project
load()
manifest, classes = pd.read_parquet(Project().manifest), class_folders(Project().data)
params = load_params(Project().params).validate_
start = time.perf_counter()
check(manifest, classes, params, Path("docs"))
print(time.perf_counter() - start)
"""
_PEAK = """
import resource, sys
from pathlib import Path
from facesent.dataset.manifest import scan
from facesent.images.threads import cores
scan(Path(), max_pixels=int(sys.argv[1]))
peaks = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
print((peaks[0] + cores() * peaks[1]) / 1024)
"""


def run(scratch: Path, rounds: int) -> list[Result]:
    """Rows of the scan, then of the whole stage as a process."""
    faces, few = jpegs(scratch, IMAGES), jpegs(scratch, FEW)
    # The second scan is prepared by a first, which also brings all files into the system's memory.
    contestants = [
        Contestant("scan", partial(_scan, faces), IMAGES),
        Contestant("Pillow, reading and decoding alone, threads", partial(_decode_in_threads, faces), IMAGES),
        Contestant("Pillow, reading and decoding alone, processes", partial(_decode_in_processes, faces), IMAGES),
        Contestant("second scan", partial(_scan_again, faces, scratch), IMAGES),
    ]
    scan, threads, processes, again = contest(contestants, min(rounds, 3), warmups=0).values()
    decoding = min(threads, processes, key=lambda timing: timing.median)
    return [
        compared("scan, both cores", scan, decoding, at_least=0.7, unit="images/s"),
        noted("second scan, nothing changed", show(again, "s")),
        *_stage_rows(scratch, faces, decoding),
        *_memory_rows(faces, few),
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
    return partial(_decode_all, pool, 32, sorted(faces.glob("*/*")))


def _decode_all(pool: ThreadPoolExecutor | ProcessPoolExecutor, chunk: int, files: list[Path]) -> None:
    for _ in pool.map(_decode, files, chunksize=chunk):
        pass


def _decode(file: Path) -> None:
    from PIL import Image

    with Image.open(io.BytesIO(file.read_bytes())) as image:
        image.load()


def _stage_rows(scratch: Path, faces: Path, decoding: Timing) -> list[Result]:
    """The stage as a process, from its start to its end, and what of it is Great Expectations'."""
    root = _project(scratch, faces)
    stage = ["-m", "facesent.run", "validate"]
    own = [_seconds(["-c", _WITHOUT_EXPECTATIONS], root, cold=True) for _ in range(_OWN_ROUNDS)]
    whole = _seconds(stage, root, cold=True)
    again = _seconds(stage, root)
    imported = _seconds(["-c", "import great_expectations"], root)
    checked = float(_output(_CHECKS, root))
    without = Timing("stage", tuple(own), IMAGES)
    return [
        compared("stage without Great Expectations, start to end", without, decoding, at_least=0.7, unit="images/s"),
        noted("stage, start to end", f"{whole:.1f} s"),
        noted("Great Expectations' import alone, half of it hidden behind the scan", f"{imported:.1f} s"),
        noted("Great Expectations' checks and pages", f"{checked:.1f} s"),
        noted("stage again, nothing changed", f"{again:.1f} s"),
    ]


def _memory_rows(faces: Path, few: Path) -> list[Result]:
    small, large = (_peak(folder) for folder in (few, faces))
    growth = max(0.0, large - small) / (IMAGES - FEW) * 1000
    return [
        noted(f"scan, peak memory of all processes, {FEW:,} and {IMAGES:,} images", f"{small:.0f} and {large:.0f} MiB"),
        bounded("scan, growth of peak memory a thousand images", growth, at_most=_ROWS_MIB, unit="MiB"),
    ]


def _project(scratch: Path, faces: Path) -> Path:
    root = scratch / "validate"
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    (root / "data").symlink_to(faces, target_is_directory=True)
    shutil.copyfile(ROOT / "params.yaml", root / "params.yaml")
    return root


def _seconds(arguments: list[str], root: Path, *, cold: bool = False) -> float:
    if cold:
        shutil.rmtree(root / "outputs", ignore_errors=True)
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], cwd=root, check=True)
    return time.perf_counter() - start


def _output(code: str, root: Path, *arguments: str) -> str:
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, cwd=root, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout.strip().splitlines()[-1]


def _peak(faces: Path) -> float:
    """MiB of the process that scans and of its workers, each at its own peak."""
    return float(_output(_PEAK, faces, str(_MAX_PIXELS)))
