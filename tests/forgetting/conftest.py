"""A project after its stages on drawn faces, with a remote, a registered version and a log of answers."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from facesent.core.paths import Project
from facesent.dataset.manifest import scan
from facesent.sources.drawn_faces.dataset import draw_dataset
from tests.helpers.small_network import SMALL_NETWORK
from tests.helpers.trained_project import write_model

CLASSES, SIDE = ("Happy", "Sad"), SMALL_NETWORK["image_size"]
ROOT = Path(__file__).parents[2]
SMALL = {
    "validate": {"min_images_per_class": 3, "max_quarantined": 0.2, "min_side": 16},
    "split": {"near_duplicate_distance": 0},
    "model": SMALL_NETWORK,
    "gate": {"min_accuracy": 0.0, "min_class_recall": 0.0},
}
_LEFT = ("DVC_", "MLFLOW_", "XDG_", "GIT_", "FACESENT_")


def command(*words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *words] if words[0] == "dvc" else words, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="package")
def grown(tmp_path_factory: pytest.TempPathFactory, empty_mlflow_database: Path) -> Path:
    """Made once."""
    from facesent.promotion.register import register
    from facesent.run import run as run_stage

    place = tmp_path_factory.mktemp("grown")
    root = place / "project"
    root.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        isolate(patch, place)
        patch.chdir(root)
        for name in ("facesent", "presets"):
            shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("dvc.yaml", ".dvcignore", ".gitignore", "mlruns/.gitignore"):
            (root / name).parent.mkdir(exist_ok=True)
            shutil.copy(ROOT / name, root / name)
        params = yaml.safe_load((ROOT / "params.yaml").read_text())
        for section, values in SMALL.items():
            params[section].update(values)
        (root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
        shutil.copy(empty_mlflow_database, root / "mlflow.db")
        draw_dataset(root / "data", persons=24, image_size=64, workers=1)
        for other in sorted(path for path in (root / "data").iterdir() if path.is_dir()):
            if other.name not in CLASSES:
                shutil.rmtree(other)
        command("git", "init", "--quiet")
        command("dvc", "init", "--quiet")
        (root / ".dvc" / "config").write_text(f"[core]\nremote = store\n['remote \"store\"']\nurl = {place}/remote\n")
        command("dvc", "add", "--quiet", "data")
        Project().manifest.parent.mkdir(parents=True)
        scan(Path("data"), max_pixels=1_000_000).to_parquet(Project().manifest)
        run_stage("split", Project())
        patch.setattr("tests.helpers.trained_project.SIDE", SIDE)
        write_model(Project(), CLASSES, 0.0)
        run_stage("evaluate", Project())
        command("dvc", "commit", "--force", "--quiet")
        command("dvc", "push", "--quiet")
        register(Project())
        command("git", "add", ".")
        command("git", "commit", "--quiet", "--message", "Start")
    return place


def isolate(patch: pytest.MonkeyPatch, place: Path) -> None:
    """Nothing of the user's is read or written."""
    for name in list(os.environ):
        if name.startswith(_LEFT):
            patch.delenv(name)
    (place / "home").mkdir(exist_ok=True)
    patch.setenv("HOME", str(place / "home"))
    patch.setenv("DVC_SITE_CACHE_DIR", str(place / "home" / "site"))
    # Absolute, as MLflow keeps a connection by it.
    patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{place}/project/mlflow.db")
    patch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for role in ("AUTHOR", "COMMITTER"):
        patch.setenv(f"GIT_{role}_NAME", "Test")
        patch.setenv(f"GIT_{role}_EMAIL", "test@example.org")


@pytest.fixture
def place(grown: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Its copy: project, remote and home."""
    shutil.copytree(grown, tmp_path, dirs_exist_ok=True, symlinks=True)
    isolate(monkeypatch, tmp_path)
    monkeypatch.chdir(tmp_path / "project")
    config = Path(".dvc/config")
    config.write_text(config.read_text().replace(str(grown), str(tmp_path)))
    return tmp_path
