"""Also the program of processes that it starts: ``-m tests.training.test_distribution DISTRIBUTE FOLDER``."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing, suppress
from hashlib import sha256
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest

from facesent.core.watching import Epoch, Watcher
from facesent.images.batches import Examples
from facesent.model.settings import Model
from facesent.params import load_params
from facesent.training.checkpoint import CheckpointFolder, State
from facesent.training.distribution import DistributionError, Follower, is_chief, share_of_batch, strategy
from facesent.training.loop import Trained
from facesent.training.settings import Optimizer, Train
from tests.helpers.small_network import slim_reference

ROOT = Path(__file__).parents[2]
PARAMS = load_params(ROOT / "params.yaml")
EPOCHS, ENDED_IN = 3, 2


class Killed(Exception):
    """Stands for the end of the process."""


def stop() -> NoReturn:
    raise Killed


def die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def settings(distribute: str) -> tuple[Model, Train]:
    # Dropout draws by replica. At a higher rate Adam, which moves a weight as far for a gradient of rounding errors as
    # for any other, makes the rounding visible.
    changes = {
        "distribute": distribute,
        "epochs": EPOCHS,
        "batch_size": 16,
        "precision": "float32",
        "optimizer": Optimizer(learning_rate=3e-5, clip_norm=0.5),
    }
    return PARAMS.model.model_copy(update={"image_size": 32, "dropout": 0.0}), PARAMS.train.model_copy(update=changes)


def examples(count: int, seed: int) -> Examples:
    chance = np.random.default_rng(seed)
    targets = chance.integers(0, 3, count)
    noise = chance.integers(0, 100, (count, 32, 32, 3))
    return Examples((noise + targets[:, None, None, None] * 20).astype(np.uint8), targets)


def run(distribute: str, folder: Path, *, end: Callable[[], NoReturn] | None = None) -> Trained:
    """Train a slim network on batches of 11 and 12, whose halves are of different sizes in each replica and step.

    Args:
        distribute: the parameter.
        folder: of the checkpoint.
        end: ends the process in epoch ``ENDED_IN``.
    """
    from facesent.training.loop import train

    class Killing(Watcher):
        def epoch(self, epoch: Epoch) -> None:
            if end and epoch.index + 1 == ENDED_IN:
                end()
            print(f"epoch {epoch.index + 1}", file=sys.stderr)

    kind = CheckpointFolder if is_chief(distribute) else Follower
    checkpoint = kind(folder, pytest.fail)
    data = examples(34, 1), examples(9, 2), 3
    with pytest.MonkeyPatch.context() as patch, closing(checkpoint):
        slim_reference(patch)
        return train(*data, *settings(distribute), checkpoint=checkpoint, fingerprint="a", watch=Killing())


def start(distribute: str, folder: Path, *options: str, tf_config: str = "") -> "subprocess.Popen[str]":
    environment = {**os.environ, **({"TF_CONFIG": tf_config} if tf_config else {})}
    command = [sys.executable, "-m", "tests.training.test_distribution", distribute, str(folder), *options]
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def start_workers(folder: Path, *ends: str) -> list["subprocess.Popen[str]"]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    cluster = {"worker": [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]}
    for each in sockets:
        each.close()
    configs = [{"cluster": cluster, "task": {"type": "worker", "index": index}} for index in range(2)]
    return [
        start("workers", folder, *ends[index : index + 1], tf_config=json.dumps(config))
        for index, config in enumerate(configs)
    ]


def ended(processes: list["subprocess.Popen[str]"]) -> list[tuple[str, str]]:
    try:
        texts = [process.communicate(timeout=240) for process in processes]
    finally:
        for process in processes:
            process.kill()
    for process, (_, errors) in zip(processes, texts, strict=True):
        assert process.returncode == 0, errors[-3000:]
    return texts


def close(history: list[dict[str, float]], other: list[dict[str, float]]) -> bool:
    return all(
        row.keys() == theirs.keys() and all(np.isclose(row[name], theirs[name], rtol=1e-4) for name in row)
        for row, theirs in zip(history, other, strict=True)
    )


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, float]]:
    """The history of a training in one process on one device."""
    return run("none", tmp_path_factory.mktemp("alone")).history


@pytest.mark.slow
@pytest.mark.long
def test_two_processes_train_as_one_does_also_across_a_kill_of_both(
    tmp_path: Path, alone: list[dict[str, float]]
) -> None:
    ended(start_workers(tmp_path, "stop", "stop"))
    resumed = ended(start_workers(tmp_path))
    histories = [json.loads(output)["history"] for output, _ in resumed]
    assert histories[0] == histories[1]
    assert all("epoch 2" in errors and "epoch 1" not in errors for _, errors in resumed)
    assert close(histories[0], alone), (histories[0], alone)


@pytest.mark.slow
@pytest.mark.long
def test_two_devices_train_as_one_does(tmp_path: Path, alone: list[dict[str, float]]) -> None:
    ((output, _),) = ended([start("mirrored", tmp_path)])
    assert close(json.loads(output)["history"], alone), (output, alone)


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("killed", [0, 1])
def test_one_that_is_killed_ends_the_other_with_a_sentence_and_a_new_start_gives_the_same_weights(
    tmp_path: Path, killed: int
) -> None:
    undisturbed = ended(start_workers(tmp_path / "undisturbed"))
    workers = start_workers(tmp_path, *(("die", "") if killed == 0 else ("", "die")))
    texts = [process.communicate(timeout=240)[1] for process in workers]
    assert workers[killed].returncode == -signal.SIGKILL
    assert workers[1 - killed].returncode == 1
    assert "DistributionError: Expected all workers to go on." in texts[1 - killed]
    resumed = ended(start_workers(tmp_path))
    # The chief may have finished the epoch in which the other was killed.
    assert all("epoch 3" in errors and "epoch 1" not in errors for _, errors in resumed)
    assert [output for output, _ in resumed] == [output for output, _ in undisturbed]


@pytest.mark.parametrize(("size", "parts"), [(1, 1), (10, 3), (11, 2), (2, 3)])
def test_the_shares_of_a_batch_make_it_up_and_differ_by_one_at_most(size: int, parts: int) -> None:
    shares = [list(range(size))[share_of_batch(size, part, parts)] for part in range(parts)]
    assert [row for share in shares for row in share] == list(range(size))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


ENDS = {"": None, "stop": stop, "die": die}
CLUSTER = {"worker": ["a:1", "b:1"]}


@pytest.mark.parametrize(
    "config",
    [
        "",
        "no json",
        "[]",
        json.dumps({"cluster": CLUSTER}),
        json.dumps({"cluster": CLUSTER, "task": {"type": "worker", "index": 2}}),
        json.dumps({"cluster": {**CLUSTER, "ps": ["c:1"]}, "task": {"type": "worker", "index": 0}}),
    ],
)
def test_workers_without_a_cluster_are_told_what_is_missing(config: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_CONFIG", config)
    with pytest.raises(DistributionError, match=r"Expected TF_CONFIG like .*Received: "):
        strategy("workers")


def test_the_first_worker_is_the_chief(monkeypatch: pytest.MonkeyPatch) -> None:
    chiefs = []
    for index in range(2):
        config = {"cluster": CLUSTER, "task": {"type": "worker", "index": index}}
        monkeypatch.setenv("TF_CONFIG", json.dumps(config))
        chiefs.append(is_chief("workers"))
    assert chiefs == [True, False]
    assert is_chief("none")


def test_a_follower_writes_nothing(tmp_path: Path) -> None:
    follower = Follower(tmp_path / "checkpoint", pytest.fail)
    follower.clear()
    follower.save(State("a", [], finished=False, variables=[]), best=[np.ones(3)])
    follower.save(State("a", [], finished=True, variables=[]), best=None)
    follower.close()
    assert [values.tolist() for values in follower.best("a", 0)] == [[1, 1, 1]]
    assert not list(tmp_path.iterdir())


def main(distribute: str, folder: str, *options: str) -> None:
    import tensorflow as tf

    if distribute == "mirrored":
        (processor,) = tf.config.list_physical_devices("CPU")
        tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * 2)
    with suppress(Killed):
        trained = run(distribute, Path(folder), end=ENDS[options[0]] if options else None)
        weights = sha256(b"".join(values.numpy().tobytes() for values in trained.model.variables)).hexdigest()
        print(json.dumps({"history": trained.history, "weights": weights}))


if __name__ == "__main__":
    main(*sys.argv[1:])
