"""The project in the pictures: drawn faces, and two networks that the flow trained on them."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from ruamel.yaml import YAML

from benchmarks.projects import copy_project, environment
from tools.screenshots.servers import prefect_server, quiet_environment

Settings = Mapping[str, str | int | float]

# The preset quick, which trains reference_cnn, and a rival that differs from it in this.
_TRAININGS: tuple[Settings, ...] = ({}, {"model.attention": "squeeze_excitation"})
_AUTHOR = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")


def make_example(root: Path, persons: int | None = None, settings: Settings | None = None) -> None:
    """Draw faces, and let the flow train, judge and register one network after the other.

    Args:
        root: an empty folder.
        persons: how many people are drawn; None for as many as ``make run`` draws.
        settings: ``section.key`` to value, for all trainings.
    """
    copy_project(root)
    _git(root, "init", "--quiet")
    if persons:
        _python(root, quiet_environment(root), "facesent.cli", "data", "draw", "--persons", str(persons))
    with prefect_server(root) as server:
        env = {**quiet_environment(root), "PREFECT_API_URL": f"{server}/api"}
        for training in _TRAININGS:
            _write_settings(root / "params.yaml", {**training, **(settings or {})})
            # Lineage names a commit.
            _git(root, "add", "--all")
            changed = ", ".join(f"{key}: {value}" for key, value in training.items()) or "the preset quick"
            _git(root, "commit", "--quiet", "--allow-empty", "--message", f"Train {changed}")
            _python(root, env, "flows.pipeline", "--draw")


def _write_settings(path: Path, changes: Settings) -> None:
    yaml = YAML()
    params = yaml.load(path)
    for key, value in changes.items():
        *sections, name = key.split(".")
        section = params
        for each in sections:
            section = section[each]
        section[name] = value
    yaml.dump(params, path)


def _git(root: Path, *arguments: str) -> None:
    subprocess.run(["git", *_AUTHOR, *arguments], cwd=root, env=environment(root), check=True)


def _python(root: Path, env: Mapping[str, str], module: str, *arguments: str) -> None:
    subprocess.run([sys.executable, "-m", module, *arguments], cwd=root, env=env, check=True)
