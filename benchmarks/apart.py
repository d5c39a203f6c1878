"""Run a benchmark in a process of its own: one's libraries and memory must not weigh on the next."""

import multiprocessing
import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.results import Result
from benchmarks.sizes import Size
from facesent.dataset.pool import end_with_parent


def run_apart(name: str, scratch: Path, size: Size, **options: Any) -> list[Result]:
    """The rows of ``benchmarks/NAME.py``; what it raises is raised here. ``options`` go to its ``run``."""
    print(f"{name} ...", file=sys.stderr, flush=True)
    start = time.perf_counter()
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        results = pool.submit(_run, name, scratch, size, options).result()
    print(f"{name} took {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
    return [replace(result, benchmark=name) for result in results]


def _run(name: str, scratch: Path, size: Size, options: dict[str, Any]) -> Sequence[Result]:
    # What goes on after its starter was killed would slow whatever is measured next.
    end_with_parent()
    # Only the table belongs on stdout; libraries and servers print there too.
    os.dup2(2, 1)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    results: Sequence[Result] = import_module(f"benchmarks.{name}").run(scratch, size, **options)
    return results
