"""What leads back from a model: the commit, the data, the preset, the flow run."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from facesent.params import Params, load_params
from facesent.project import Project

_NAMED_DIFFERENCES = 3

FLOW_RUN_VARIABLE = "FACESENT_FLOW_RUN"


def lineage_tags(project: Project) -> dict[str, str]:
    """Tags of a training's run; what is not known is left out."""
    known = {
        "preset": preset_of(project),
        "data_md5": data_md5(project),
        "flow_run": os.environ.get(FLOW_RUN_VARIABLE),
        **_git_state(project.root),
    }
    return {name: value for name, value in known.items() if value}


def run_name(project: Project, params: Params) -> str:
    """Name of a run that tells it from others in a list: preset or what differs from it, network, image size."""
    return f"{preset_of(project)} {params.model.name} {params.model.image_size}px"


def preset_of(project: Project) -> str:
    """The preset whose settings these are, or the nearest one and what differs: ``quick train.epochs=30``."""
    presets = sorted((project.root / "presets").glob("*.yaml"))
    mine = load_params(project.params).flat()
    differences = {path.stem: _differences(mine, path) for path in presets}
    if not differences:
        return "custom"
    nearest = min(differences, key=lambda name: len(differences[name]))
    changed = differences[nearest]
    return " ".join([nearest, *changed]) if len(changed) <= _NAMED_DIFFERENCES else "custom"


def data_md5(project: Project) -> str | None:
    """DVC's hash of ``data/``, from ``data.dvc``."""
    try:
        pointer = yaml.safe_load(project.data_pointer.read_text(encoding="utf-8"))
        return str(pointer["outs"][0]["md5"])
    except (FileNotFoundError, KeyError, TypeError):
        return None


def _differences(mine: Mapping[str, Any], preset: Path) -> list[str]:
    theirs = load_params(preset).flat()
    return [f"{key}={value}" for key, value in mine.items() if theirs.get(key) != value]


def _git_state(root: Path) -> dict[str, str]:
    import git

    try:
        repository = git.Repo(root, search_parent_directories=True)
        return {"git_commit": repository.head.commit.hexsha, "git_dirty": str(repository.is_dirty()).lower()}
    except (git.InvalidGitRepositoryError, git.NoSuchPathError, ValueError):
        # No repository, or one without a commit.
        return {}
