"""Which numbers a training computes in: bfloat16 where the hardware is good at it, float32 elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from facesent.model.backend import keras
from facesent.params import Precision

Resolved = Literal["float32", "bfloat16"]

# What Linux calls the instructions that multiply bfloat16: AVX-512's, and the matrix units of later Xeons.
_CPU_FLAGS = frozenset({"avx512_bf16", "amx_bf16"})
_GPU_CAPABILITY = (8, 0)
_CPU_INFO = Path("/proc/cpuinfo")


def resolve(precision: Precision) -> Resolved:
    """What ``precision`` means on this machine; only ``auto`` depends on it."""
    if precision != "auto":
        return precision
    capabilities = _gpu_capabilities()
    if capabilities:
        return "bfloat16" if min(capabilities) >= _GPU_CAPABILITY else "float32"
    return "bfloat16" if _CPU_FLAGS & cpu_flags() else "float32"


@contextmanager
def computing_in(precision: Resolved) -> Iterator[None]:
    """Layers made inside compute in ``precision``; weights, their updates and the output stay float32."""
    kept = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16" if precision == "bfloat16" else "float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(kept)


def cpu_flags() -> frozenset[str]:
    """What Linux says that the CPU can do; nothing on other systems."""
    try:
        lines = _CPU_INFO.read_text(encoding="utf-8").splitlines()
    except OSError:
        return frozenset()
    return frozenset(next((line.partition(":")[2] for line in lines if line.startswith("flags")), "").split())


def _gpu_capabilities() -> list[tuple[int, int]]:
    """CUDA compute capability of each GPU that TensorFlow sees; none on other backends."""
    if keras.backend.backend() != "tensorflow":
        return []
    import tensorflow as tf

    details = map(tf.config.experimental.get_device_details, tf.config.list_physical_devices("GPU"))
    return [tuple(entry.get("compute_capability", (0, 0))) for entry in details]
