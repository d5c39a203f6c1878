"""Copies of this project to measure in, so that the project itself stays as it is."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
CODE = (
    "facesent", "flows", "presets", "benchmarks", "dvc.yaml", "params.yaml", "prefect.toml", ".dvcignore", ".gitignore",
    ".dvc/config", ".dvc/.gitignore",
)  # fmt: skip
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


def environment(project: Path) -> dict[str, str]:
    """Of a process that runs the copy's code with this interpreter, and leaves what is outside of it alone."""
    known = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    site = str(project / ".dvc" / "tmp" / "site")
    return {**known, "PATH": path, "PYTHONPATH": str(project), "DVC_SITE_CACHE_DIR": site}


def python(project: Path, arguments: Sequence[str]) -> None:
    """Run this interpreter in the copy.

    Raises:
        RuntimeError: it failed; with what it printed.
    """
    done = subprocess.run(
        [sys.executable, *arguments], cwd=project, env=environment(project), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"Expected `{' '.join(arguments)}` to succeed. Received:\n{done.stdout}{done.stderr}")
