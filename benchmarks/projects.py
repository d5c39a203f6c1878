"""Copies of this project to measure in, so that the project itself stays as it is."""

import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from facesent.core import programs
from facesent.core.nested import with_values
from facesent.core.paths import Project
from facesent.presets import load_preset

ROOT = Path(__file__).parents[1]
CODE = (
    "facesent", "flows", "presets", "benchmarks", "dvc.yaml", "params.yaml", "prefect.toml", ".dvcignore", ".gitignore",
    ".dvc/config", ".dvc/.gitignore",
)  # fmt: skip
# What runs a stage of dvc.yaml, before its name.
STAGE = ("-m", "facesent.run")
# What would lead a command out of the copy: another store, server, cache or commit.
_FOREIGN = ("DVC_", "FACESENT_", "GIT_", "MLFLOW_", "PREFECT_")


def copy_project(target: Path, names: Sequence[str] = CODE) -> None:
    """Copy files and folders of this project, without what was made from them, into a new folder."""
    for name in names:
        source, copy = ROOT / name, target / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, copy)


def configure(project: Path, preset: str, changes: Mapping[str, Any]) -> None:
    """Write ``params.yaml``: a preset with the values of some keys changed, as in ``train.optimizer.learning_rate``."""
    settings = with_values(load_preset(ROOT, preset).nested(), changes)
    Project(project).params.write_text(yaml.safe_dump(settings), encoding="utf-8")


def environment(project: Path, code: Path | None = None) -> dict[str, str]:
    """Of a process in ``project`` that leaves what is outside of it alone.

    Args:
        project: where it runs.
        code: of facesent and the benchmarks; by default the copy in ``project``.
    """
    site = str(project / ".dvc" / "tmp" / "site")
    further = {"PYTHONPATH": str(code or project), "DVC_SITE_CACHE_DIR": site}
    return programs.child_environment(further, without=_FOREIGN)


def python(project: Path, arguments: Sequence[str], code: Path | None = None) -> str:
    """Run this interpreter in ``project``, and give what it prints on stdout.

    Args:
        project: where it runs.
        arguments: of Python.
        code: as in ``environment``.

    Raises:
        RuntimeError: it failed; with what it printed.
    """
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=project,
        env=environment(project, code),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"Expected `{' '.join(arguments)}` to succeed. Received:\n{done.stdout}{done.stderr}")
    return done.stdout
