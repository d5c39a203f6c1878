"""What the figures were measured on."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version

from facesent.images.threads import cores
from facesent.model.processor import describe_cpu

_LIBRARIES = (
    "numpy", "opencv-python-headless", "pillow", "simplejpeg", "pandas", "tensorflow", "keras", "torch",
    "mlflow", "prefect", "dvc", "great-expectations",
)  # fmt: skip


def describe() -> str:
    """Processor, cores, memory, system, Python and libraries, for the head of a table; no name and no path."""
    libraries = ", ".join(f"{name} {found}" for name in _LIBRARIES if (found := _version(name)))
    return (
        f"{describe_cpu()}, {cores()} cores, {_memory_gib():.0f} GiB of memory, {platform.system()}; "
        f"Python {platform.python_version()}, {libraries}"
    )


def _memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
