"""What the system says of the processor, which decides how sums are rounded."""

import platform
from pathlib import Path

_CPU_INFO = Path("/proc/cpuinfo")
_SHOWN_FLAGS = ("avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "asimd", "bf16")


def cpu_flags() -> frozenset[str]:
    """What Linux says that the CPU can do; nothing on other systems."""
    known = _cpu_info()
    return frozenset(known.get("flags", known.get("Features", "")).split())


def cpu_name() -> str:
    """Its model, or else its kind."""
    return _cpu_info().get("model name") or platform.processor() or platform.machine()


def describe_cpu() -> str:
    """Model and instruction sets."""
    shown = " ".join(flag for flag in _SHOWN_FLAGS if flag in cpu_flags())
    return f"{cpu_name()} ({shown})" if shown else cpu_name()


def _cpu_info() -> dict[str, str]:
    try:
        lines = _CPU_INFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return {}
    return {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
