"""What networks compute on, in words."""

import os
import platform
from pathlib import Path

_CPU_FACTS = Path("/proc/cpuinfo")


def device() -> str:
    """The GPUs that TensorFlow uses, or else the processor and its cores; imports TensorFlow."""
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        return ", ".join(tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name) for gpu in gpus)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return f"{_processor()}, {cores} {'core' if cores == 1 else 'cores'}"


def _processor() -> str:
    try:
        facts = _CPU_FACTS.read_text(encoding="utf-8").splitlines()
    except OSError:
        facts = []
    named = (line.partition(":")[2].strip() for line in facts if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine()
