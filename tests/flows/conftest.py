"""A small copy of the project, and Prefect with a home and a server of its own."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from facesent.sources.drawn_faces.dataset import draw_dataset
from tests.helpers.prefect_machine import Machine
from tests.helpers.small_network import SMALL_NETWORK
from tests.helpers.webhook import Receiver, receiving

ROOT = Path(__file__).parents[2]
COPIED = ("facesent", "flows", "presets", "mlruns", "dvc.yaml", "params.yaml", "prefect.toml", "prefect.yaml")
COPIED_TOO = (".dvcignore", ".gitignore", ".dvc/config", ".dvc/.gitignore")
SMALL: dict[str, dict[str, Any]] = {
    "validate": {"min_images_per_class": 3, "max_quarantined": 0.2, "min_side": 16},
    "model": SMALL_NETWORK,
    "train": {"epochs": 1},
    "gate": {"min_accuracy": 0.0, "min_class_recall": 0.0},
}


def change_params(root: Path, changes: Mapping[str, Mapping[str, Any]]) -> None:
    """Set values of ``params.yaml``."""
    params = yaml.safe_load((root / "params.yaml").read_text())
    for section, values in changes.items():
        params[section].update(values)
    (root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))


def write_pipeline(root: Path, stages: Mapping[str, Mapping[str, Any]]) -> None:
    """Write a ``dvc.yaml``."""
    (root / "dvc.yaml").write_text(yaml.safe_dump({"stages": dict(stages)}, sort_keys=False))


@pytest.fixture
def pipeline_of(project: Path) -> Callable[[Mapping[str, Mapping[str, Any]]], Path]:
    """Give the empty project these stages."""

    def write(stages: Mapping[str, Mapping[str, Any]]) -> Path:
        write_pipeline(project, stages)
        return project

    return write


@pytest.fixture(scope="module")
def set_params() -> Callable[[Path, Mapping[str, Mapping[str, Any]]], None]:
    """Change settings of a project."""
    return change_params


@pytest.fixture(scope="module")
def own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home for a whole module, so that nothing of the user's is read or written."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(("DVC_", "MLFLOW_", "PREFECT_", "XDG_", "GIT_", "FACESENT_")):
                patch.delenv(name)
        patch.setenv("HOME", str(home))
        patch.setenv("DVC_SITE_CACHE_DIR", str(home / "dvc-site"))
        patch.setenv("GIT_CONFIG_NOSYSTEM", "1")
        yield home


@pytest.fixture(scope="module")
def small_project(own_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real stages on a handful of small drawn faces, in a git repository."""
    root = tmp_path_factory.mktemp("small") / "project"
    for name in (*COPIED, *COPIED_TOO):
        source, target = ROOT / name, root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "[0-9]*", "models"))
        else:
            shutil.copy(source, target)
    change_params(root, SMALL)
    draw_dataset(root / "data", persons=24, image_size=32, workers=1)
    author = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
    subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
    subprocess.run([sys.executable, "-m", "dvc", "add", "--quiet", "data"], cwd=root, check=True)
    subprocess.run(["git", "add", "."], cwd=root, check=True)
    subprocess.run(["git", *author, "commit", "--quiet", "--message", "Start"], cwd=root, check=True)
    return root


@pytest.fixture(scope="package")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A temporary server and database, for flows that run in this process."""
    from prefect.settings import PREFECT_HOME, temporary_settings
    from prefect.testing.utilities import prefect_test_harness

    home = temporary_settings({PREFECT_HOME: tmp_path_factory.mktemp("prefect")})
    with home, prefect_test_harness(server_startup_timeout=120):
        yield


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Takes the messages that a flow sends."""
    with receiving() as listening:
        yield listening


@pytest.fixture
def fresh_project(small_project: Path) -> Path:
    """Without what Prefect and MLflow wrote in a test before."""
    shutil.rmtree(small_project / ".prefect", ignore_errors=True)
    (small_project / "mlflow.db").unlink(missing_ok=True)
    return small_project


@pytest.fixture
def machine(fresh_project: Path, tmp_path: Path) -> Iterator[Machine]:
    machine = Machine(fresh_project, tmp_path)
    with machine.running("server", "start", "--port", str(machine.port)):
        machine.wait_until_healthy()
        yield machine
