"""A version is trained again under the real git, DVC and MLflow; its training hashes its images and settings."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mlflow.tracking import MlflowClient
from PIL import Image

from facesent.commands.redraw import redraw
from facesent.core.paths import Project
from facesent.lineage.git import ReproductionError, worktree
from facesent.lineage.images import provide, share_cache
from facesent.lineage.reproduce import reproduce
from facesent.model.storage import model_sha256
from facesent.registry.history import runs_in
from facesent.registry.lineage import data_md5
from facesent.registry.runs import MODEL_TAG, remove_files
from facesent.registry.versions import NAME, RegistryError, set_alias

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
TRAINING = """
import hashlib, os, pathlib, time
from facesent.core.paths import Project
from facesent.images.rows import read_split
from facesent.model.storage import model_sha256, save_labels
from facesent.params import load_params
from facesent.registry import runs
from facesent.registry.recorder import begin_training

project = Project()
params = load_params(project.params)
splits = {path.stem: path for path in sorted(project.splits.glob("*.csv"))}
frames = {name: read_split(path) for name, path in splits.items() if name != "test"}
run = begin_training(project, params, frames, {"precision": os.environ.get("PRECISION", "float32")})
print("training", flush=True)
time.sleep(float(os.environ.get("SECONDS", 0)))
images = [path for path in sorted(project.data.rglob("*")) if path.is_file()]
content = [path.read_bytes() for path in [*images, *splits.values()]]
project.train.mkdir(parents=True, exist_ok=True)
weights = repr((content, params.train.seed, EXTRA, os.environ.get("PRECISION")))
project.model.write_text(hashlib.sha256(weights.encode()).hexdigest())
save_labels(["A", "B"], project.labels)
runs.tag_run(run, {runs.MODEL_TAG: model_sha256(project.model, project.labels)})
runs.finish(run)
"""
STAGES = """
stages:
  train:
    cmd: python -c "EXTRA = 1; exec(open('train.py').read())"
    deps: [data, train.py]
    params: [train]
    outs: [outputs/train/model.keras, outputs/train/labels.json]
"""
SPLITTING = """
from facesent.core.paths import Project
from facesent.dataset.manifest import scan
from facesent.stages.split import split

if __name__ == "__main__":
    project = Project()
    project.manifest.parent.mkdir(parents=True, exist_ok=True)
    scan(project.data, max_pixels=10_000).to_parquet(project.manifest, index=False)
    split(project)
"""
STAGES_WITH_SPLIT = f"""{STAGES.replace("deps: [data", "deps: [data, outputs/split")}
  split:
    cmd: python split.py
    deps: [data, split.py]
    params: [split]
    outs: [outputs/split, assignment.csv: {{cache: false, persist: true}}]
"""


def git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True).stdout


def dvc(*arguments: str) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    subprocess.run([sys.executable, "-m", "dvc", *arguments], env={**os.environ, "PATH": path}, check=True)


@pytest.fixture
def trained(project: Path, mlflow_store: Path) -> Project:
    """Version 1 with the alias champion, trained with code and settings that nobody committed, on tracked images."""
    (project / "data" / "A").mkdir(parents=True)
    (project / "data" / "A" / "1.png").write_bytes(b"an image")
    begin(project, STAGES)
    replace("dvc.yaml", "EXTRA = 1", "EXTRA = 2")
    replace("params.yaml", "seed: 7", "seed: 8")
    dvc("repro", "--quiet")
    made = Project(project)
    register(made)
    git("checkout", "--quiet", ".")
    (project / "data" / "A" / "1.png").write_bytes(b"another image")
    return made


def begin(folder: Path, stages: str) -> None:
    """Commit settings, stages and images."""
    (folder / "train.py").write_text(TRAINING)
    (folder / "dvc.yaml").write_text(stages)
    (folder / ".gitignore").write_text("/data\n/outputs\n/mlflow.db\n/mlruns\n")
    shutil.copytree(ROOT / "presets", folder / "presets")
    shutil.copy(ROOT / "presets" / "quick.yaml", folder / "params.yaml")
    dvc("add", "--quiet", "data")
    git("add", ".")
    git("commit", "--quiet", "--message", "Begin")


def replace(file: str, old: str, new: str) -> None:
    text = Path(file).read_text()
    assert old in text
    Path(file).write_text(text.replace(old, new))


def register(made: Project) -> None:
    client = MlflowClient()
    client.create_registered_model(NAME)
    tags = {MODEL_TAG: model_sha256(made.model, made.labels)}
    client.create_model_version(NAME, str(made.train), runs_in(os.environ["MLFLOW_TRACKING_URI"])[0].run_id, tags=tags)
    set_alias("champion", 1)


def state_of(made: Project) -> object:
    """All that a reproduction must leave as it is."""
    cache = sorted(path for path in (made.root / ".dvc" / "cache").rglob("*") if path.is_file())
    files = {path: path.read_bytes() for path in made.root.glob("*") if path.is_file() and path.name != "mlflow.db"}
    runs = runs_in(os.environ["MLFLOW_TRACKING_URI"])
    return cache, files, git("status", "--porcelain"), git("worktree", "list"), runs, made.model.read_bytes()


@pytest.mark.long
def test_the_same_weights_come_out_and_other_ones_are_explained(
    trained: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = state_of(trained)
    printed: list[str] = []
    result = reproduce(trained, "champion", printed.append)
    assert result.same
    assert "training" in printed
    assert state_of(trained) == before

    monkeypatch.setenv("PRECISION", "bfloat16")
    result = reproduce(trained, "1", printed.append)
    assert not result.same
    assert [(each.what, each.was, each.now) for each in result.differences] == [("precision", "float32", "bfloat16")]
    assert state_of(trained) == before


@pytest.mark.long
@pytest.mark.usefixtures("mlflow_store")
def test_splits_that_were_drawn_anew_and_committed_by_nobody_are_those_of_the_version(project: Path) -> None:
    rng = np.random.default_rng(0)
    for label in "AB":
        (project / "data" / label).mkdir(parents=True)
        for index in range(40):
            pixels = rng.integers(0, 256, (32, 40, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(project / "data" / label / f"{index}.png")
    (project / "split.py").write_text(SPLITTING)
    begin(project, STAGES_WITH_SPLIT)
    made = Project(project)
    dvc("repro", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "--message", "The first splits")
    redraw(made)
    dvc("repro", "--quiet")
    register(made)
    assert git("diff", "--name-only", "--", "assignment.csv")
    assert reproduce(made, "champion", print).same

    # As a release wrote it that did not keep the table.
    remove_files(runs_in(os.environ["MLFLOW_TRACKING_URI"])[0].run_id, "images")
    result = reproduce(made, "champion", print)
    assert [each.what for each in result.differences] == ["split train", "split val"]
    assert ["assignment.csv" in doubt for doubt in result.doubts] == [True]


@pytest.mark.long
def test_interrupted_it_leaves_nothing(trained: Project) -> None:
    before = state_of(trained)
    command = [sys.executable, "-m", "facesent.cli", "reproduce", "1"]
    with subprocess.Popen(
        command,
        env={**os.environ, "SECONDS": "600"},
        stdout=subprocess.PIPE,
        text=True,
        process_group=0,
        # A shell without job control lets what it starts in the background ignore this signal, and so its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        assert process.stdout
        for line in process.stdout:
            if line.startswith("training"):
                process.send_signal(signal.SIGINT)
                break
        process.stdout.read()  # ends once the stage is gone too: it holds the other end
    assert process.returncode != 0
    assert state_of(trained) == before
    assert not list((trained.root / ".dvc" / "tmp").glob("reproduce-*"))


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({"git_commit": ""}, "none recorded"),
        ({"git_commit": "f" * 40}, "git fetch"),
        ({"git_dirty": "true"}, "were not recorded"),
        ({"git_untracked": "facesent/new.py"}, "facesent/new.py, not in git"),
        ({"git_dirty": "true", "git_changes": "facesent/a.py"}, "changes to facesent/a.py among the artifacts"),
        ({"data_md5": ""}, "without their hash"),
    ],
    ids=["no-commit", "elsewhere", "unrecorded", "untracked", "no-patch", "no-data"],
)
def test_what_cannot_be_reproduced_says_why(
    project: Path, mlflow_store: Path, tags: dict[str, str], message: str
) -> None:
    known = {"git_commit": git("rev-parse", "HEAD").strip(), "data_md5": "0.dir", **tags}
    client = MlflowClient()
    run = client.create_run(client.create_experiment("facesent"), tags={k: v for k, v in known.items() if v})
    client.create_registered_model(NAME)
    client.create_model_version(NAME, str(project), run.info.run_id, tags={MODEL_TAG: "0"})
    with pytest.raises(ReproductionError, match=r"^Expected ") as raised:
        reproduce(Project(project), "1", print)
    assert message in str(raised.value)


def test_images_come_from_a_remote_next_to_the_project(trained: Project) -> None:
    dvc("remote", "add", "--quiet", "--default", "near", "../remote")
    git("add", ".dvc/config")
    git("commit", "--quiet", "--message", "Remote")
    dvc("push", "--quiet")
    shutil.rmtree(trained.root / ".dvc" / "cache")
    with worktree(trained.root, "HEAD") as tree:
        copy = Project(tree.project)
        share_cache(trained, copy)
        provide(copy, str(data_md5(copy)), {**os.environ}, print)
        assert (copy.data / "A" / "1.png").read_bytes() == b"an image"


def test_an_unknown_version_lists_those_that_are_known(project: Path, mlflow_store: Path) -> None:
    with pytest.raises(RegistryError, match=r"none yet.*Received: 7"):
        reproduce(Project(project), "7", print)
