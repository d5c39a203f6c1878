"""Also the program that it starts on another backend: ``-m tests.training.test_backends FOLDER``."""

import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facesent.core.watching import Epoch, Watcher
from facesent.images.batches import Examples, TrainingBatches, equal_weights
from facesent.model.inference import compile_forward
from facesent.model.storage import load_model, save_model
from facesent.params import load_params
from facesent.training.checkpoint import CheckpointFolder
from facesent.training.compiling import compile_for, network, phases
from facesent.training.loop import train
from facesent.training.variables import restore, snapshot, variables_of
from tests.helpers.small_network import slim_reference

ROOT = Path(__file__).parents[2]
PARAMS = load_params(ROOT / "params.yaml")
MODEL = PARAMS.model.model_copy(update={"image_size": 32})
SETTINGS = PARAMS.train.model_copy(update={"epochs": 2, "batch_size": 16, "precision": "float32"})


def examples(count: int, seed: int) -> Examples:
    chance = np.random.default_rng(seed)
    targets = chance.integers(0, 3, count)
    noise = chance.integers(0, 100, (count, 32, 32, 3))
    return Examples((noise + targets[:, None, None, None] * 20).astype(np.uint8), targets)


def scores_and_loss(folder: Path) -> tuple[Any, float]:
    """What a network with the weights in ``folder`` answers, and the loss of a step."""
    settings = MODEL.model_copy(update={"dropout": 0.0})
    model = network(settings, SETTINGS, 3)
    compile_for(phases(SETTINGS)[0], model, settings, SETTINGS, 1)
    weights = folder / "weights.npz"
    if weights.is_file():
        with np.load(weights) as arrays:
            restore(model.weights, list(arrays.values()))
    else:
        np.savez(weights, *snapshot(model.weights))
    save_model(network(settings, SETTINGS, 3), folder / "fresh.keras")
    scores = compile_forward(model)(examples(4, 3).images)
    batches = TrainingBatches(examples(16, 1), 16, SETTINGS.augment, 7, equal_weights(3))
    kept = snapshot(variables_of(model))
    history = model.fit(batches.prefetched(0, failures=[]), steps_per_epoch=1, verbose=0).history
    moved = snapshot(variables_of(model))
    restore(variables_of(model), kept)
    assert all(np.array_equal(a, b) for a, b in zip(snapshot(variables_of(model)), kept, strict=True))
    assert any(not np.array_equal(a, b) for a, b in zip(moved, kept, strict=True))
    return scores, float(history["loss"][0])


def train_in(folder: Path, copy: Path | None = None) -> Any:
    """Train, or resume what ``folder`` holds; ``copy`` takes the checkpoint as a kill in the last epoch leaves it."""

    class Copying(Watcher):
        def epoch(self, epoch: Epoch) -> None:
            if copy and epoch.index + 1 == SETTINGS.epochs:
                checkpoint.close()
                shutil.copytree(folder, copy)

    checkpoint = CheckpointFolder(folder, pytest.fail)
    data = examples(32, 1), examples(12, 2), 3
    return train(*data, MODEL, SETTINGS, checkpoint=checkpoint, fingerprint="a", watch=Copying())


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_another_backend_takes_the_same_step_and_resumes_to_the_same_weights(
    backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if backend == "torch" and find_spec("torch") is None:
        pytest.skip("PyTorch is in the extra `benchmarks`")
    slim_reference(monkeypatch)
    scores, loss = scores_and_loss(tmp_path)
    environment = {**os.environ, "KERAS_BACKEND": backend}
    command = [sys.executable, "-m", "tests.training.test_backends", str(tmp_path)]
    ended = subprocess.run(command, cwd=ROOT, env=environment, text=True, capture_output=True, timeout=300)
    assert ended.returncode == 0, ended.stderr[-3000:]
    answer = json.loads(ended.stdout)
    assert answer["backend"] == backend
    np.testing.assert_allclose(answer["scores"], scores, atol=1e-5)
    assert answer["loss"] == pytest.approx(loss, rel=1e-4)
    assert answer["resumed"] == answer["whole"]
    # What one backend trained another one serves.
    forward = compile_forward(load_model(tmp_path / "trained.keras"))
    np.testing.assert_allclose(forward(examples(4, 3).images), answer["trained"], atol=1e-4)


def main(folder: Path) -> None:
    from facesent.model.backend import keras

    with pytest.MonkeyPatch.context() as patch:
        slim_reference(patch)
        scores, loss = scores_and_loss(folder)
        whole = train_in(folder / "whole", copy=folder / "killed")
        resumed = train_in(folder / "killed")
    save_model(resumed.model, folder / "trained.keras")
    answer = {
        "backend": keras.backend.backend(),
        "scores": scores.tolist(),
        "loss": loss,
        "trained": compile_forward(load_model(folder / "trained.keras"))(examples(4, 3).images).tolist(),
    }
    for name, trained in (("whole", whole), ("resumed", resumed)):
        digest = [float(np.abs(values).sum(dtype=np.float64)) for values in snapshot(trained.model.variables)]
        answer[name] = [trained.history, digest]
    print(json.dumps(answer))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
