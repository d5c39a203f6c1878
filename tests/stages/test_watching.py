"""A stage reads what it declares and no more, and who watches it changes no byte of what it writes."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from facesent.core.paths import Project
from tests.helpers.small_network import SMALL_NETWORK

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
STAGES: dict[str, Any] = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
SMALL: dict[str, dict[str, Any]] = {
    "model": SMALL_NETWORK,
    "train": {"epochs": 2, "batch_size": 16, "precision": "float32"},
    "evaluate": {"bootstrap_resamples": 100},
}
# Port 9 discards what it is sent, where anything listens there at all.
NOWHERE = "http://127.0.0.1:9"
# One process for all stages: imports are most of the time.
WATCHED = """
import sys
from facesent.core.paths import Project
from facesent.run import run

for stage in sys.argv[1:]:
    run(stage, Project())
"""
UNWATCHED = """
import importlib, sys
from facesent.core.paths import Project

project = Project()
for stage in sys.argv[1:]:
    (project.root / f"{stage}.yaml").rename(project.params)
    getattr(importlib.import_module(f"facesent.stages.{stage}"), stage)(project)
"""


def outputs(project: Project) -> dict[str, str]:
    files = (file for stage in STAGES for file in (project.outputs / stage).rglob("*") if file.is_file())
    return {
        file.relative_to(project.outputs).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest() for file in files
    }


def python(project: Project, *arguments: str, **variables: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=project.root,
        env={**os.environ, "PYTHONPATH": str(ROOT), **variables},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def declared(params: dict[str, Any], stage: str) -> dict[str, Any]:
    """The settings that a stage declares, and nothing else."""
    cut: dict[str, Any] = {}
    for key in STAGES[stage]["params"]:
        section, _, name = key.partition(".")
        if name:
            cut.setdefault(section, {})[name] = params[section][name]
        else:
            cut[section] = params[section]
    return cut


@pytest.fixture
def small(make_project: Callable[..., Project]) -> Project:
    project = make_project()
    params = yaml.safe_load(project.params.read_text())
    for section, values in SMALL.items():
        params[section].update(values)
    project.params.write_text(yaml.safe_dump(params, sort_keys=False))
    return project


@pytest.mark.long
def test_a_stage_reads_what_it_declares_and_gives_the_same_unwatched(small: Project, tmp_path: Path) -> None:
    from mlflow.tracking import MlflowClient

    alone = Project(tmp_path / "alone")
    shutil.copytree(small.root, alone.root)
    store = f"sqlite:///{small.root}/mlflow.db"
    python(small, "-c", WATCHED, *STAGES, MLFLOW_TRACKING_URI=store)
    params = yaml.safe_load(small.params.read_text())
    for stage in STAGES:
        (alone.root / f"{stage}.yaml").write_text(yaml.safe_dump(declared(params, stage)))
    python(alone, "-c", UNWATCHED, *STAGES, MLFLOW_TRACKING_URI=NOWHERE)
    assert outputs(alone) == outputs(small)
    assert {"train/model.keras", "evaluate/report.html", "split/train.csv"} <= set(outputs(small))
    client = MlflowClient(store)
    [run] = client.search_runs([client.get_experiment_by_name("facesent").experiment_id])
    assert run.info.status == "FINISHED"
    assert {"val_accuracy", "test_accuracy"} <= set(run.data.metrics)


@pytest.mark.long
def test_a_store_that_is_gone_costs_a_line_and_no_stage(small: Project) -> None:
    quick = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_TRACKING_URI": NOWHERE}
    for stage in STAGES:
        printed = python(small, "-m", "facesent.run", stage, **quick)
        if stage == "train":
            [told] = [line for line in printed.splitlines() if "MLflow does not have this training" in line]
            assert "facesent promote will add it" in told
    assert "facesent promote will add it" in printed
    assert {"train/model.keras", "evaluate/report.html"} <= set(outputs(small))
