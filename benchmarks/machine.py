"""What the figures were measured on."""

import os
import platform
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from facesent.images.threads import cores

_FLAGS = ("avx2", "avx512f", "avx512_bf16", "avx512_vnni", "amx_bf16", "bf16")
_LIBRARIES = (
    "numpy", "opencv-python-headless", "pillow", "pandas", "tensorflow", "keras", "torch",
    "mlflow", "prefect", "dvc", "great-expectations",
)  # fmt: skip


def describe() -> str:
    """Processor, cores, memory, system, Python and libraries, for the head of a table; no name and no path."""
    libraries = ", ".join(f"{name} {found}" for name in _LIBRARIES if (found := _version(name)))
    return (
        f"{_processor()}, {cores()} cores, {_memory_gib():.0f} GiB of memory, {platform.system()}; "
        f"Python {platform.python_version()}, {libraries}"
    )


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return platform.processor() or platform.machine()
    model = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    flags = re.search(r"^(?:flags|Features)\s*:\s*(.+)$", text, re.MULTILINE)
    known = set(flags[1].split()) if flags else set()
    shown = " ".join(flag for flag in _FLAGS if flag in known)
    name = model[1].strip() if model else platform.machine()
    return f"{name} ({shown})" if shown else name


def _memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
