import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from facesent.data.examples import training_examples
from facesent.data.images import ImageError
from facesent.data.pipeline import Examples
from facesent.model.checkpoint import CheckpointFolder
from facesent.model.storage import load_model, save_model
from facesent.model.training import Trained, best_epoch, train
from facesent.params import Head, Loss, Optimizer, Schedule, load_params

PARAMS = load_params(Path(__file__).parents[2] / "params.yaml")
MODEL = PARAMS.model.model_copy(update={"image_size": 16})
SETTINGS = PARAMS.train.model_copy(update={"epochs": 3, "batch_size": 16})

# All that a step or an epoch can hold on to, at once.
CRAFT = SETTINGS.model_copy(
    update={
        "precision": "float32",
        "head": Head(epochs=1),
        "optimizer": Optimizer(
            name="adamw", learning_rate=0.001, weight_decay=0.01, clip_norm=1, average=0.9, sharpness=0.05
        ),
        "schedule": Schedule(name="cosine", warmup_epochs=0.5),
        "loss": Loss(name="focal", label_smoothing=0.1),
        "calibrate": True,
    }
)
BACKBONE = MODEL.model_copy(update={"name": "mobilenet", "image_size": 32, "dropout": 0.2, "flip_average": True})
RECIPES = {"reference": (MODEL, SETTINGS), "backbone": (BACKBONE, CRAFT)}


class Killed(Exception):
    """Stands for the end of the process."""


def examples(count: int, seed: int, side: int = 16) -> Examples:
    chance = np.random.default_rng(seed)
    targets = chance.integers(0, 3, count)
    noise = chance.integers(0, 100, (count, side, side, 3))
    return Examples((noise + targets[:, None, None, None] * 70).astype(np.uint8), targets)


def run(
    folder: Path,
    *,
    recipe: str = "reference",
    kill_after: int | None = None,
    fingerprint: str = "a",
    lines: list[str] | None = None,
) -> Trained:
    model, settings = RECIPES[recipe]

    def observe(epoch: int, row: dict[str, float]) -> None:
        if epoch + 1 == kill_after:
            raise Killed

    checkpoint = CheckpointFolder(folder, report=pytest.fail)
    try:
        return train(
            examples(32, 1, model.image_size),
            examples(12, 2, model.image_size),
            3,
            model,
            settings,
            checkpoint=checkpoint,
            fingerprint=fingerprint,
            report=(lines if lines is not None else []).append,
            observe=observe,
        )
    finally:
        checkpoint.close()


def weights_hash(trained: Trained) -> str:
    digest = hashlib.sha256()
    for variable in trained.model.variables:
        digest.update(np.asarray(variable).tobytes())
    return digest.hexdigest()


@pytest.mark.slow
@pytest.mark.parametrize(("recipe", "kill_after"), [("reference", 2), ("backbone", 2), ("backbone", 3)])
def test_a_killed_training_ends_with_the_weights_of_one_that_was_not(
    tmp_path: Path, recipe: str, kill_after: int
) -> None:
    """The backbone's phases meet after its first epoch."""
    whole = run(tmp_path / "whole", recipe=recipe)
    with pytest.raises(Killed):
        run(tmp_path / "killed", recipe=recipe, kill_after=kill_after)
    lines: list[str] = []
    resumed = run(tmp_path / "killed", recipe=recipe, lines=lines)
    assert lines[0] == f"resuming after epoch {kill_after - 1} of 3"
    assert resumed.history == whole.history
    assert weights_hash(resumed) == weights_hash(whole)
    for name, trained in (("whole", whole), ("resumed", resumed)):
        save_model(trained.model, tmp_path / f"{name}.keras")
    assert (tmp_path / "whole.keras").read_bytes() == (tmp_path / "resumed.keras").read_bytes()
    images = examples(4, 3, whole.model.input_shape[1]).images
    read_back = load_model(tmp_path / "whole.keras")(images, training=False)
    assert np.array_equal(np.asarray(read_back), np.asarray(whole.model(images, training=False)))


@pytest.mark.slow
def test_a_checkpoint_of_other_settings_is_not_resumed(tmp_path: Path) -> None:
    with pytest.raises(Killed):
        run(tmp_path, kill_after=2, fingerprint="a")
    lines: list[str] = []
    run(tmp_path, fingerprint="b", lines=lines)
    assert lines[0].startswith("epoch   1/3")


def test_a_training_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    split = pd.DataFrame({"file_name": ["broken.jpg"], "label": ["a"]})
    checkpoint = CheckpointFolder(tmp_path / "checkpoint", report=pytest.fail)
    with pytest.raises(ImageError, match=r"broken\.jpg: Expected a JPEG"):
        train(
            training_examples(tmp_path, split, ["a", "b", "c"], 16),
            examples(4, 2),
            3,
            MODEL,
            SETTINGS,
            checkpoint=checkpoint,
            fingerprint="a",
            report=print,
        )


def test_the_best_epoch_is_the_first_that_reached_the_best_value() -> None:
    history = [{"val_loss": loss, "val_accuracy": accuracy} for loss, accuracy in ((2, 0.5), (1, 0.7), (1, 0.7))]
    assert best_epoch(history, "val_accuracy") == 1
    assert best_epoch(history, "val_loss") == 1
