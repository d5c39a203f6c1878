"""Keras without TensorFlow's notes, its generators and kernels made deterministic, and the numbers it computes in."""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from random import Random
from tempfile import TemporaryFile
from threading import get_ident
from typing import Literal

from facesent.core.imports import importing
from facesent.model.processor import cpu_flags
from facesent.model.settings import Precision

# What TensorFlow's C++ part logs before any log level counts; no variable of the environment keeps it quiet.
_NOTE = re.compile(rb"[IWE]\d{4} \d\d:|WARNING: All log messages before absl::InitializeLog")


@contextmanager
def _without_notes() -> Iterator[None]:
    """Hold standard error back while a block runs, then pass on all that other threads wrote to it."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    kept = os.dup(2)
    with TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            held.seek(0)
            os.write(2, b"".join(line for line in held if not _NOTE.match(line)))


class _Unused(MetaPathFinder):
    """Says to the thread that made it that packages are not installed."""

    def __init__(self, *packages: str) -> None:
        self._packages = packages
        self._thread = get_ident()

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> None:
        """Refuse the packages, and leave all others to the next finder."""
        if fullname in self._packages and get_ident() == self._thread:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)


@contextmanager
def _without_unused() -> Iterator[None]:
    """Keep Keras from importing what only classes need that nothing here uses: a third of the time that it takes.

    Its wrappers are for scikit-learn, its galleries for Matplotlib, and TensorFlow Lite would convert from JAX. All
    three are imported where installed; who needs them later can. PyTorch looks for them itself, and ends if it is told
    no by an error.
    """
    backend = os.environ.get("KERAS_BACKEND")
    packages = [] if backend == "torch" else ["sklearn", "matplotlib"]
    sys.meta_path.insert(0, unused := _Unused(*packages, *(["jax"] if backend == "tensorflow" else [])))
    try:
        yield
    finally:
        sys.meta_path.remove(unused)


with _without_notes(), _without_unused(), importing():
    import keras as keras
    from keras.src.random import seed_generator

# A keras.json, as another project may have left one in KERAS_HOME, says otherwise.
keras.config.set_floatx("float32")
keras.config.set_epsilon(1e-7)
keras.config.set_image_data_format("channels_last")


def replicas() -> int:
    """Among how many replicas the step that is being traced or run is divided."""
    if keras.backend.backend() != "tensorflow":
        return 1
    import tensorflow as tf

    return int(tf.distribute.get_strategy().num_replicas_in_sync)


def make_deterministic(seed: int) -> None:
    """Seed every generator and take deterministic kernels."""
    keras.utils.set_random_seed(seed)
    # From Python's own, any thread may draw between two layers, such as one that tries a request again.
    seed_generator.python_random = Random(seed)  # noqa: S311  # these are weights, and no secrets
    if keras.backend.backend() == "tensorflow":
        import tensorflow

        tensorflow.config.experimental.enable_op_determinism()
    elif keras.backend.backend() == "torch":
        import torch

        torch.use_deterministic_algorithms(True)


def reseed(seed: int) -> None:
    """Seed what a checkpoint does not hold: PyTorch's own generator, from which Keras's dropout draws there."""
    if keras.backend.backend() == "torch":
        import torch

        torch.manual_seed(seed)


Resolved = Literal["float32", "bfloat16"]

# What Linux calls the instructions that multiply bfloat16: AVX-512's, and the matrix units of later Xeons.
_CPU_FLAGS = frozenset({"avx512_bf16", "amx_bf16"})
_GPU_CAPABILITY = (8, 0)


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


def on_cpu() -> bool:
    """Whether TensorFlow computes, and sees no GPU."""
    return keras.backend.backend() == "tensorflow" and not _gpu_capabilities()


def _gpu_capabilities() -> list[tuple[int, int]]:
    """CUDA compute capability of each GPU that TensorFlow sees; none on other backends."""
    if keras.backend.backend() != "tensorflow":
        return []
    import tensorflow as tf

    details = map(tf.config.experimental.get_device_details, tf.config.list_physical_devices("GPU"))
    return [tuple(entry.get("compute_capability", (0, 0))) for entry in details]
