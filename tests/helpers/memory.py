"""The memory that a piece of work takes at its peak, as the system counts it."""

from collections.abc import Callable
from pathlib import Path

import pytest

counted = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="Only Linux counts so")


def added(work: Callable[[], object]) -> float:
    """Megabytes beyond what this process has."""
    Path("/proc/self/clear_refs").write_text("5")
    before = _megabytes("VmRSS")
    work()
    return _megabytes("VmHWM") - before


def _megabytes(field: str) -> float:
    status = Path("/proc/self/status").read_text(errors="replace")
    return int(status.partition(f"\n{field}:")[2].split(maxsplit=1)[0]) / 1000
