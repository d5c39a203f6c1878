"""The interpreter, the packages, the programs and the machine."""

import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path

from packaging.requirements import Requirement

from facesent.doctor.finding import Finding

# Optional packages by what they are for.
_EXTRAS = {
    "app": "facesent app",
    "export": "facesent export",
    "s3": "an object storage",
    "benchmarks": "python -m benchmarks",
}
_PROGRAMS = {"npm": "facesent weights vggface2_mobilenet"}
_FREE_GB = 5
_MEMORY_GB = 4
# A driver that hangs never answers; one that loads takes some.
_SECONDS = 30


def findings() -> Iterator[Finding]:
    """Look at Python, the packages that facesent asks for, programs, processor, memory and disk."""
    yield Finding("Python", "ok", f"{platform.python_version()} at {sys.prefix}")
    yield _packages()
    yield from map(_extra, _EXTRAS)
    yield from map(_program, _PROGRAMS)
    yield from _machine()
    yield _gpu()


def _packages() -> Finding:
    asked = [Requirement(line) for line in requires("facesent") or []]
    wrong = [text for needed in asked if _applies(needed, "") and (text := _unsatisfied(needed))]
    if wrong:
        return Finding("packages", "problem", "; ".join(wrong), "make setup installs the versions that work together")
    shown = ", ".join(f"{name} {version(name)}" for name in ("tensorflow", "mlflow", "prefect", "dvc"))
    return Finding("packages", "ok", shown)


def _extra(extra: str) -> Finding:
    needed = [Requirement(line) for line in requires("facesent") or []]
    missing = [text for each in needed if _only_with(each, extra) and (text := _unsatisfied(each))]
    subject = f"extra {extra}"
    if missing:
        return Finding(subject, "note", "; ".join(missing), f"for {_EXTRAS[extra]}: pip install -e '.[{extra}]'")
    return Finding(subject, "ok", f"for {_EXTRAS[extra]}")


def _applies(needed: Requirement, extra: str) -> bool:
    return needed.marker is None or needed.marker.evaluate({"extra": extra})


def _only_with(needed: Requirement, extra: str) -> bool:
    return _applies(needed, extra) and not _applies(needed, "")


def _unsatisfied(needed: Requirement) -> str:
    """What is wrong with the installed package; empty where nothing is."""
    try:
        found = version(needed.name)
    except PackageNotFoundError:
        return f"{needed.name} is not installed"
    if needed.specifier.contains(found, prereleases=True):
        return ""
    return f"{needed.name}: expected {needed.specifier}, received {found}"


def _program(name: str) -> Finding:
    if path := shutil.which(name):
        return Finding(name, "ok", path)
    return Finding(name, "note", "not on PATH", f"needed for {_PROGRAMS[name]}")


def _machine() -> Iterator[Finding]:
    import psutil

    from facesent.images.threads import cores

    memory = psutil.virtual_memory()
    what = f"{cores()} cores, {memory.available / 1e9:.0f} of {memory.total / 1e9:.0f} GB memory available"
    small = memory.available < _MEMORY_GB * 1e9
    advice = (
        f"the reference recipe takes {_MEMORY_GB} GB; close other programs or train on smaller images" if small else ""
    )
    yield Finding("machine", "note" if small else "ok", what, advice)
    free = shutil.disk_usage(Path()).free / 1e9
    full = free < _FREE_GB
    advice = "dvc gc --all-commits, or remove old runs with mlflow gc" if full else ""
    yield Finding("disk", "note" if full else "ok", f"{free:.0f} GB free in this folder", advice)


def _gpu() -> Finding:
    try:
        cards = _cards()
    except subprocess.TimeoutExpired:
        what, advice = f"nvidia-smi does not answer within {_SECONDS} s", "restart the machine, or its NVIDIA driver"
        return Finding("GPU", "problem", what, advice)
    if not cards:
        return Finding("GPU", "ok", "no NVIDIA GPU: training runs on the CPU")
    if find_spec("nvidia") is None:
        return Finding(
            "GPU", "note", f"{', '.join(cards)}, not used", "install CUDA's libraries: pip install -e '.[gpu]'"
        )
    return Finding("GPU", "ok", ", ".join(cards))


def _cards() -> list[str]:
    """The NVIDIA GPUs.

    Raises:
        subprocess.TimeoutExpired: the driver hangs.
    """
    if not (smi := shutil.which("nvidia-smi")):
        return []
    asked = subprocess.Popen([smi, "-L"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        said, _ = asked.communicate(timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        asked.kill()
        # Where it hangs inside the driver, no signal ends it.
        with suppress(subprocess.TimeoutExpired):
            asked.communicate(timeout=1)
        raise
    return [] if asked.returncode else [line.partition(" (UUID")[0] for line in said.splitlines()]
