"""The real stages under the real DVC, on a handful of drawn faces."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from facesent.sources.drawn_faces.dataset import draw_dataset
from tests.helpers.small_network import SMALL_NETWORK

pytestmark = [pytest.mark.slow, pytest.mark.long]

ROOT = Path(__file__).parents[2]
SMALL = {
    "validate": {"min_images_per_class": 3, "max_quarantined": 0.2, "min_side": 16},
    "model": SMALL_NETWORK,
    "train": {"epochs": 3},
}
STAGES = ["validate", "split", "train", "evaluate"]


class Workflow:
    """A copy of the project with few and small images."""

    def __init__(self, root: Path, home: Path) -> None:
        self.root = root
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("DVC_", "MLFLOW_"))}
        self.environment = {**clean, "HOME": str(home), "PATH": path, "DVC_SITE_CACHE_DIR": str(home / "site")}
        for name in ("facesent", "presets", "dvc.yaml", "params.yaml", ".dvcignore"):
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, root / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, root / name)
        self.dvc("init", "--no-scm", "--quiet")
        self.restore()

    def restore(self) -> None:
        """Bring back the images and the settings that all tests start from."""
        shutil.rmtree(self.root / "data", ignore_errors=True)
        draw_dataset(self.root / "data", persons=24, image_size=32, workers=1)
        shutil.copy(ROOT / "presets" / "quick.yaml", self.root / "params.yaml")
        self.set(SMALL)

    def set(self, changes: dict[str, dict[str, object]]) -> None:
        yaml = YAML()
        params = yaml.load(self.root / "params.yaml")
        for section, values in changes.items():
            params[section].update(values)
        yaml.dump(params, self.root / "params.yaml")

    def dvc(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "dvc", *arguments],
            cwd=self.root,
            env=self.environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    def stages_that_run(self) -> list[str]:
        printed = self.dvc("repro")
        return [stage for stage in STAGES if f"Running stage '{stage}'" in printed]

    def start(self) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "dvc", "repro"],
            cwd=self.root,
            env={**self.environment, "PYTHONUNBUFFERED": "1"},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            process_group=0,
        )

    def kill_after(self, line: str) -> None:
        """Start a run and end it, stage and all, as soon as it prints a line that starts so."""
        with self.start() as process:
            assert process.stdout
            for printed in process.stdout:
                if printed.startswith(line):
                    os.killpg(process.pid, signal.SIGKILL)
                    return
        pytest.fail(f"the run never printed {line!r}")

    def model(self) -> bytes:
        return (self.root / "outputs" / "train" / "model.keras").read_bytes()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Workflow:
    return Workflow(tmp_path_factory.mktemp("workflow"), tmp_path_factory.mktemp("home"))


@pytest.fixture
def workflow(made: Workflow) -> Iterator[Workflow]:
    yield made
    made.restore()


@pytest.fixture
def finished(workflow: Workflow) -> Workflow:
    """Up to date; what an earlier test has made comes from DVC's cache."""
    workflow.dvc("repro")
    return workflow


@pytest.mark.long
def test_killed_in_every_stage_it_goes_on_to_the_same_weights(workflow: Workflow) -> None:
    workflow.set({"train": {"seed": 11}, "split": {"seed": 11}, "validate": {"max_imbalance": 11.0}})
    for line in (*(f"> python -m facesent.run {stage}" for stage in STAGES[:2]), "epoch   2/3"):
        workflow.kill_after(line)
    workflow.kill_after("> python -m facesent.run evaluate")
    assert workflow.stages_that_run() == ["evaluate"]
    killed = workflow.model()
    workflow.dvc("repro", "--force", "--single-item", "train")
    assert workflow.model() == killed
    assert not (workflow.root / "outputs" / "checkpoint").exists()


def test_a_second_run_has_nothing_to_do(finished: Workflow) -> None:
    assert finished.stages_that_run() == []


@pytest.mark.parametrize(
    ("changes", "stages"),
    [
        ({"gate": {"min_accuracy": 0.9}}, []),
        ({"evaluate": {"calibration_bins": 10}}, ["evaluate"]),
        pytest.param({"validate": {"min_side": 17}}, ["validate"], marks=pytest.mark.long),
        # What was placed before stays, and only the report compares it with another draw.
        pytest.param({"split": {"seed": 8}}, ["split", "evaluate"], marks=pytest.mark.long),
        pytest.param({"train": {"epochs": 1}}, ["train", "evaluate"], marks=pytest.mark.long),
    ],
    ids=["gate", "evaluate", "validate", "split", "train"],
)
def test_a_changed_setting_runs_what_it_must(
    finished: Workflow, changes: dict[str, dict[str, object]], stages: list[str]
) -> None:
    finished.set(changes)
    assert finished.stages_that_run() == stages


# What only says, shows or remembers, and what decides about weights.
@pytest.mark.parametrize(
    ("file", "stages"),
    [
        ("facesent/registry/recorder.py", set()),
        ("facesent/core/console.py", set()),
        ("facesent/core/watching.py", set()),
        ("facesent/params.py", set()),
        ("facesent/promotion/gate.py", set()),
        ("facesent/evaluation/report/collect.py", {"evaluate"}),
        ("facesent/images/augmentation/geometry.py", {"validate", "train", "evaluate"}),
        ("facesent/training/optimizer.py", {"train"}),
        # Its further columns are read by evaluate alone.
        ("data/metadata.csv", {"validate", "evaluate"}),
        ("facesent/model/layers.py", {"train", "evaluate"}),
    ],
)
def test_a_changed_line_of_code_makes_stale_what_it_decides_about(
    finished: Workflow, file: str, stages: set[str]
) -> None:
    def fingerprint() -> str:
        code = "from facesent.training.fingerprint import fingerprint; print(fingerprint([], {}))"
        command = [sys.executable, "-c", code]
        return subprocess.run(command, cwd=finished.root, env=clean, capture_output=True, text=True, check=True).stdout

    clean = {name: value for name, value in finished.environment.items() if name != "PYTHONPATH"}
    path = finished.root / file
    text, resumable_by = path.read_text(), fingerprint()
    path.write_text(f"{text}\n# A line more.\n")
    try:
        stale = set(json.loads(finished.dvc("status", "--json")))
        # A killed training goes on exactly where a finished one would stay.
        assert (fingerprint() != resumable_by) == ("train" in stages)
    finally:
        path.write_text(text)
    assert {stage.removesuffix("(changed deps)") for stage in stale} == stages


def test_bad_data_stop_the_run_with_the_expectation_and_examples(workflow: Workflow) -> None:
    for path in sorted((workflow.root / "data" / "Happy").glob("*.jpg")):
        path.write_bytes(b"no photo")
    with workflow.start() as process:
        assert process.stdout
        printed = process.stdout.read()
    assert process.returncode != 0
    assert "Few images are quarantined" in printed
    assert "Happy/" in printed
    assert "Running stage 'split'" not in printed
