"""What the stage train does by itself: the files that it writes, and who writes none."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from facesent.core.files import FilesError
from facesent.core.paths import Project
from facesent.core.watching import Epoch, Row, Start, Watcher
from facesent.images.reading import ImageError
from facesent.model.storage import load_labels
from facesent.stages.split import split
from facesent.stages.train import train
from facesent.stages.validate import validate
from tests.helpers.small_network import SMALL_NETWORK

pytestmark = pytest.mark.slow


class Vandal(Watcher):
    """Rewrites an image once the first epoch has read all of them."""

    def __init__(self, image: Path, content: bytes) -> None:
        self._image = image
        self._content = content

    def epoch(self, epoch: Epoch) -> None:
        self._image.unlink()
        self._image.write_bytes(self._content)


class Witness(Watcher):
    """Notes what it hears."""

    def __init__(self) -> None:
        self.heard: list[Any] = []

    def started(self, start: Start) -> None:
        self.heard.append(start)

    def kept(self, index: int, row: Row) -> None:
        self.heard.append((index, dict(row)))


@pytest.fixture
def divided(make_project: Callable[..., Project]) -> Project:
    project = make_project()
    params = yaml.safe_load(project.params.read_text())
    params["model"].update(SMALL_NETWORK)
    params["train"].update(epochs=2, batch_size=16, precision="float32")
    project.params.write_text(yaml.safe_dump(params, sort_keys=False))
    validate(project)
    split(project)
    return project


def test_it_writes_the_kept_epoch_and_tells_it_to_those_who_watch(divided: Project) -> None:
    witness = Witness()
    train(divided, witness)
    start, (index, row) = witness.heard
    assert (start.precision, start.epochs, start.finished, set(start.frames)) == ("float32", 2, (), {"train", "val"})
    history = pd.read_csv(divided.history)
    assert history["epoch"].tolist() == [1, 2]
    written = json.loads(divided.training_metrics.read_text())
    assert written["best_epoch"] == index + 1 == int(history["val_accuracy"].idxmax()) + 1
    assert {name: written[name] for name in row} == row
    assert set(written) == {"parameters", "epochs", "best_epoch", "temperature", *row}
    assert load_labels(divided.labels) == ["Angry", "Happy"]
    assert {file.name for file in divided.train.iterdir()} == {
        *("model.keras", "labels.json", "history.csv", "metrics.json")
    }
    assert not divided.checkpoint.exists()


def test_a_worker_that_is_not_the_first_writes_nothing(divided: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    from facesent.training import distribution

    # The strategy of one process: the cluster, of which this is the second worker, is only asked who writes.
    cluster = {"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 1}}
    monkeypatch.setitem(os.environ, "TF_CONFIG", json.dumps(cluster))
    monkeypatch.setattr(distribution, "strategy", lambda distribute: None)
    text = divided.params.read_text()
    divided.params.write_text(text.replace("distribute: none", "distribute: workers"))
    train(divided)
    assert not divided.train.exists()
    assert not divided.checkpoint.exists()


def test_an_image_that_was_changed_since_it_was_validated_stops_the_training(divided: Project) -> None:
    name = pd.read_csv(divided.split("train"))["file_name"][0]
    image: Path = divided.data / name
    image.write_bytes(image.read_bytes() + b"\0")
    with pytest.raises(Exception, match=rf"{name}: Expected the image that was validated.*Run: dvc repro"):
        train(divided)


@pytest.mark.parametrize("split", ["train", pytest.param("val", marks=pytest.mark.long)])
def test_an_image_that_was_changed_while_it_trained_fails_it_and_the_same_bytes_do_not(
    divided: Project, split: str
) -> None:
    name = pd.read_csv(divided.split(split))["file_name"][0]
    image: Path = divided.data / name
    content = image.read_bytes()
    with pytest.raises(
        ImageError, match=rf"{name}: Expected the image to stay .* Received: different content.*dvc repro"
    ):
        train(divided, Vandal(image, content + b"\0"))
    assert not divided.model.exists()
    image.write_bytes(content)
    train(divided, Vandal(image, content))
    assert divided.model.exists()


def test_a_disk_without_room_for_the_states_stops_the_training_before_its_first_step(
    divided: Project, tmp_path: Path
) -> None:
    params = yaml.safe_load(divided.params.read_text())
    params["model"].update(name="reference_cnn", last_layer="")
    divided.params.write_text(yaml.safe_dump(params, sort_keys=False))
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", disk], check=False, capture_output=True)
    if mounted.returncode:
        pytest.skip("only root may mount a small disk")
    try:
        divided.checkpoint.symlink_to(disk)
        with pytest.raises(FilesError, match=r"Expected .* MB of free disk space in .* for the states .*Received: 8"):
            train(divided, Vandal(divided.params, b"a step was taken"))
        assert divided.params.read_bytes() != b"a step was taken"
    finally:
        subprocess.run(["umount", disk], check=True)


@pytest.mark.long
def test_called_as_it_was_before_it_still_runs(make_project: Callable[..., Project]) -> None:
    project = make_project()
    project.params.unlink()
    command = [sys.executable, "-m", "facesent.stages.train"]
    done = subprocess.run(command, cwd=project.root, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Expected the settings in params.yaml" in done.stderr
