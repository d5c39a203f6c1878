"""Also the program of processes that it starts: ``-m tests.training.test_loop RECIPE FOLDER EPOCH``."""

import hashlib
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from facesent.core.watching import Epoch, Watcher
from facesent.images.batches import Examples, training_examples
from facesent.images.reading import ImageError
from facesent.model.storage import load_model, save_model
from facesent.params import load_params
from facesent.training.checkpoint import CheckpointFolder
from facesent.training.loop import Trained, best_epoch, train
from facesent.training.progress import DivergedError
from facesent.training.settings import Head, Loss, Optimizer, Schedule
from tests.helpers.small_network import slim_reference

ROOT = Path(__file__).parents[2]
PARAMS = load_params(ROOT / "params.yaml")
MODEL = PARAMS.model.model_copy(update={"image_size": 16})
SETTINGS = PARAMS.train.model_copy(update={"epochs": 3, "batch_size": 16})

# All that a step or an epoch can hold on to, at once.
CRAFT = SETTINGS.model_copy(
    update={
        "precision": "float32",
        "head": Head(epochs=1),
        "optimizer": Optimizer(name="adamw", learning_rate=0.001, weight_decay=0.01, clip_norm=1, average=0.9),
        "schedule": Schedule(name="cosine", warmup_epochs=0.5),
        "loss": Loss(name="focal", label_smoothing=0.1),
        "calibrate": True,
    }
)
BACKBONE = MODEL.model_copy(update={"name": "mobilenet", "image_size": 32, "dropout": 0.2, "flip_average": True})
RECIPES = {"reference": (MODEL, SETTINGS), "backbone": (BACKBONE, CRAFT)}


def examples(count: int, seed: int, side: int = 16) -> Examples:
    chance = np.random.default_rng(seed)
    targets = chance.integers(0, 3, count)
    noise = chance.integers(0, 100, (count, side, side, 3))
    return Examples((noise + targets[:, None, None, None] * 70).astype(np.uint8), targets)


def run(
    folder: Path,
    *,
    recipe: str = "reference",
    kill_in: int = 0,
    full: Sequence[int] = (),
    fingerprint: str = "a",
    epochs: list[int] | None = None,
) -> Trained:
    """Train; an epoch ``kill_in``, from 1, ends the process as soon as the one before it is on the disk.

    After the epochs ``full``, also from 1, the system refuses to write files.
    """
    model, settings = RECIPES[recipe]
    checkpoint = CheckpointFolder(folder, lambda error: print("unsaved", error) if full else pytest.fail(str(error)))

    class Killing(Watcher):
        def epoch(self, epoch: Epoch) -> None:
            print("epoch", epoch.index + 1, flush=True)
            if epochs is not None:
                epochs.append(epoch.index + 1)
            if epoch.index + 1 == kill_in:
                checkpoint.close()
                os.kill(os.getpid(), signal.SIGKILL)
            if full:
                checkpoint.close()
                refuse_writes(epoch.index + 1 in full)

    return train(
        examples(32, 1, model.image_size),
        examples(12, 2, model.image_size),
        3,
        model,
        settings,
        checkpoint=checkpoint,
        fingerprint=fingerprint,
        watch=Killing(),
    )


def refuse_writes(refuse: bool) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0 if refuse else most, most))


def run_in_a_process(recipe: str, folder: Path, *, kill_in: int = 0, full: Sequence[int] = ()) -> str:
    """What a training of its own process prints; it leaves ``model.keras`` and ``history.json``.

    Trainings of a stage, a fold and a trial have one too. In one that had run hundreds of other tests, with the threads
    that they left, a training was now and then seen to give other numbers.
    """
    command = [sys.executable, "-m", "tests.training.test_loop", recipe, str(folder), str(kill_in), *map(str, full)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == (-signal.SIGKILL if kill_in else 0), done.stderr[-3000:]
    return done.stdout


def main(recipe: str, folder: Path, kill_in: int, *full: int) -> None:
    slim_reference(pytest.MonkeyPatch())
    trained = run(folder / "checkpoint", recipe=recipe, kill_in=kill_in, full=full)
    refuse_writes(False)
    (folder / "history.json").write_text(json.dumps(trained.history))
    save_model(trained.model, folder / "model.keras")
    images = examples(4, 3, trained.model.input_shape[1]).images
    answers = [model(images, training=False) for model in (trained.model, load_model(folder / "model.keras"))]
    assert np.array_equal(*map(np.asarray, answers)), "what was saved answers otherwise"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """From a recipe to the folder of a training by it that nothing ended."""

    @cache
    def folder(recipe: str) -> Path:
        made = tmp_path_factory.mktemp(recipe)
        run_in_a_process(recipe, made)
        return made

    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    ("recipe", "kill_in"),
    [
        pytest.param("backbone", 2, marks=pytest.mark.long),
        pytest.param("backbone", 3, marks=pytest.mark.long),
        ("reference", 2),
    ],
)
def test_a_killed_training_ends_with_the_weights_of_one_that_was_not(
    tmp_path: Path, whole: Callable[[str], Path], recipe: str, kill_in: int
) -> None:
    """The backbone's phases meet after its first epoch."""
    run_in_a_process(recipe, tmp_path, kill_in=kill_in)
    assert not (tmp_path / "model.keras").exists()
    assert run_in_a_process(recipe, tmp_path).splitlines()[0] == f"epoch {kill_in}"
    for name in ("history.json", "model.keras"):
        assert (tmp_path / name).read_bytes() == (whole(recipe) / name).read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("to_the_end", [pytest.param(False, marks=pytest.mark.long), True])
def test_a_disk_that_is_full_when_the_best_epoch_ends_costs_no_weights(
    tmp_path: Path, whole: Callable[[str], Path], to_the_end: bool
) -> None:
    best = best_epoch(json.loads((whole("reference") / "history.json").read_text()), "val_accuracy") + 1
    full = range(best, (SETTINGS.epochs if to_the_end else best) + 1)
    printed = run_in_a_process("reference", tmp_path, full=full)
    assert printed.count("unsaved") == len(full)
    for name in ("history.json", "model.keras"):
        assert (tmp_path / name).read_bytes() == (whole("reference") / name).read_bytes()


@pytest.mark.slow
@pytest.mark.long
def test_a_checkpoint_of_other_settings_is_not_resumed(tmp_path: Path) -> None:
    run_in_a_process("reference", tmp_path, kill_in=2)
    epochs: list[int] = []
    run(tmp_path / "checkpoint", fingerprint="b", epochs=epochs)
    assert epochs == [1, 2, 3]


@pytest.mark.parametrize(
    ("content", "said"), [(b"no picture", "Expected a JPEG"), (None, r"validated\. Received: No such file")]
)
def test_a_training_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None, said: str) -> None:
    if content:
        (tmp_path / "broken.jpg").write_bytes(content)
    split = pd.DataFrame(
        {"file_name": ["broken.jpg"], "label": ["a"], "sha256": [hashlib.sha256(b"no picture").hexdigest()]}
    )
    checkpoint = CheckpointFolder(tmp_path / "checkpoint", pytest.fail)
    with pytest.raises(ImageError, match=rf"broken\.jpg: .*{said}"):
        train(
            training_examples(tmp_path, split, ["a", "b", "c"], 16),
            examples(4, 2),
            3,
            MODEL,
            SETTINGS,
            checkpoint=checkpoint,
            fingerprint="a",
        )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rate", "batches", "where"),
    [
        (1e30, 4, r"a finite loss\. Received: nan in step 2 of 4 of epoch 2"),
        pytest.param(1e39, 1, r"a finite val_loss.* in epoch 2", marks=pytest.mark.long),
    ],
)
def test_a_training_that_diverges_stops_there_and_keeps_the_state_before(
    tmp_path: Path, rate: float, batches: int, where: str
) -> None:
    """In its second epoch: in the first one the head alone learns, at a rate of its own."""
    settings = CRAFT.model_copy(update={"optimizer": Optimizer(learning_rate=rate), "schedule": Schedule()})
    checkpoint = CheckpointFolder(tmp_path / "checkpoint", pytest.fail)
    advice = r"Lower train\.optimizer\.learning_rate \(now .*\), set train\.optimizer\.clip_norm\..* after epoch 1\."
    with pytest.raises(DivergedError, match=rf"{where}\. {advice}"):
        train(
            examples(16 * batches, 1, 32),
            examples(12, 2, 32),
            3,
            BACKBONE,
            settings,
            checkpoint=checkpoint,
            fingerprint="a",
        )
    state = checkpoint.load("a")
    assert state is not None
    assert [np.isfinite(list(row.values())).all() for row in state.history] == [True]
    assert all(np.isfinite(value).all() for value in (*state.variables, *checkpoint.best("a", 0)))


def test_the_best_epoch_is_the_first_that_reached_the_best_value() -> None:
    history = [{"val_loss": loss, "val_accuracy": accuracy} for loss, accuracy in ((2, 0.5), (1, 0.7), (1, 0.7))]
    assert best_epoch(history, "val_accuracy") == 1
    assert best_epoch(history, "val_loss") == 1


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *map(int, sys.argv[3:]))
