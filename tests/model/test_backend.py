import os
import random
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from numpy.typing import NDArray

from facesent.model import backend, processor
from facesent.model.architectures.build import build
from facesent.params import load_params
from facesent.training.compiling import compiled

PARAMS = load_params(Path(__file__).parents[2] / "params.yaml")
MODEL = PARAMS.model.model_copy(update={"image_size": 32})


@pytest.fixture
def cpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    info = tmp_path / "cpuinfo"
    monkeypatch.setattr(processor, "_CPU_INFO", info)
    monkeypatch.setattr(backend, "_gpu_capabilities", list)
    return info


@pytest.mark.parametrize(
    ("flags", "expected"),
    [("fpu avx2 avx512f", "float32"), ("fpu avx512_bf16 sse", "bfloat16"), ("amx_bf16 fpu", "bfloat16")],
)
def test_auto_asks_the_cpu(cpu: Path, flags: str, expected: str) -> None:
    cpu.write_text(f"processor\t: 0\nflags\t\t: {flags}\n\nprocessor\t: 1\n")
    assert backend.resolve("auto") == expected


def test_auto_is_float32_where_the_cpu_is_unknown(cpu: Path) -> None:
    assert not cpu.exists()
    assert backend.resolve("auto") == "float32"


@pytest.mark.parametrize(
    ("capabilities", "expected"), [([(8, 0)], "bfloat16"), ([(9, 0), (7, 5)], "float32"), ([(7, 0)], "float32")]
)
def test_auto_asks_the_gpus_before_the_cpu(
    cpu: Path, monkeypatch: pytest.MonkeyPatch, capabilities: list[tuple[int, int]], expected: str
) -> None:
    cpu.write_text("flags : avx512_bf16\n")
    monkeypatch.setattr(backend, "_gpu_capabilities", lambda: capabilities)
    assert backend.resolve("auto") == expected


def test_what_is_asked_for_is_taken(cpu: Path) -> None:
    assert backend.resolve("float32") == "float32"
    assert backend.resolve("bfloat16") == "bfloat16"


def test_training_in_bfloat16_keeps_weights_and_output_in_float32() -> None:
    model = compiled(MODEL, PARAMS.train.model_copy(update={"precision": "bfloat16"}), 3)
    assert {weight.dtype for weight in model.trainable_weights} == {"float32"}
    assert model.get_layer("convolution_2").compute_dtype == "bfloat16"
    assert model.output.dtype == "float32"
    # What is made afterwards, such as the model that is saved, computes in float32.
    assert build(MODEL, 3).get_layer("convolution_2").compute_dtype == "float32"


def test_a_bfloat16_step_moves_the_weights_as_a_float32_step() -> None:
    chance = np.random.default_rng(0)
    images, targets = chance.integers(0, 256, (16, 32, 32, 3), dtype=np.uint8), chance.integers(0, 3, 16)
    settings = MODEL.model_copy(update={"dropout": 0.0})
    moved: dict[str, NDArray[np.float32]] = {}
    start = None
    for name in ("float32", "bfloat16"):
        model = compiled(settings, PARAMS.train.model_copy(update={"precision": name}), 3)
        # Not by the seed: Keras draws from Python's own generator, and threads of earlier tests may do so in between.
        start = start or model.get_weights()
        model.set_weights(start)
        before = np.concatenate([np.array(weight).ravel() for weight in model.trainable_weights])
        model.train_on_batch(images, np.eye(3, dtype=np.float32)[targets])
        moved[name] = np.concatenate([np.array(weight).ravel() for weight in model.trainable_weights]) - before
    # Adam's first step is the gradient's sign: the share of weights that both move the same way.
    assert np.mean(np.sign(moved["float32"]) == np.sign(moved["bfloat16"])) > 0.9


def test_keras_imports_no_package_that_nothing_here_uses_and_others_still_can() -> None:
    names = [name for name in ("sklearn", "matplotlib", "jax") if find_spec(name)]
    assert len(names) >= 2
    code = f"""
import importlib, sys
import facesent.model.backend
print(sorted(set({names}) & set(sys.modules)))
print(*(importlib.import_module(name).__name__ for name in {names}))
"""
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.stdout.splitlines() == ["[]", " ".join(names)], done.stderr


def test_what_is_unused_in_one_thread_is_there_in_others() -> None:
    unused, passed_on = backend._Unused("sklearn"), []

    def ask() -> None:
        unused.find_spec("sklearn")
        passed_on.append("sklearn")

    with pytest.raises(ModuleNotFoundError, match="No module named 'sklearn'"):
        ask()
    unused.find_spec("sklearn.metrics")
    thread = Thread(target=ask)
    thread.start()
    thread.join()
    assert passed_on == ["sklearn"]


def test_what_other_threads_draw_from_pythons_generator_changes_no_weights() -> None:
    def kernels(between: Callable[[], object]) -> bytes:
        backend.make_deterministic(7)
        made = b""
        for units in (3, 4):
            layer = backend.keras.layers.Dense(units)
            layer.build((None, 5))
            made += np.asarray(layer.kernel).tobytes()
            between()
        return made

    assert kernels(random.random) == kernels(lambda: None)
