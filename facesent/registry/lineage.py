"""What leads back from a model: commit and changes, data, preset, flow run, and what computed it."""

import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from facesent.core.dvc_files import md5_of
from facesent.core.paths import Project
from facesent.model.processor import describe_cpu
from facesent.params import Params
from facesent.presets import nearest_preset, presets
from facesent.training.fingerprint import LIBRARIES

if TYPE_CHECKING:
    from git import Repo

FLOW_RUN_VARIABLE = "FACESENT_FLOW_RUN"

PRESET_TAG, DATA_TAG, FLOW_RUN_TAG = "preset", "data_md5", "flow_run"
COMMIT_TAG, CHANGES_TAG = "git_commit", "git_changes"
DIRTY_TAG, UNTRACKED_TAG = "git_dirty", "git_untracked"
RECORDED_TAG = "recorded"
"""Of a run that was written after its training: what is known is of then."""

# Value of CHANGES_TAG where there are none.
NO_CHANGES = "none"

_NAMED_DIFFERENCES = 3
# The code of the stages. Images are known by their hash and settings by the run's params; nothing else goes into a
# patch, so that no file with credentials can: params.yaml says who is notified, and where.
_CODE = ("facesent", "dvc.yaml")
_MOST_NAMES = 4000  # characters; MLflow takes 8000 in a tag
_MOST_PATCH = 1_000_000  # bytes


def lineage_tags(project: Project, params: Params) -> dict[str, str]:
    """Tags of a run that trains with these settings; what is not known is left out."""
    known = {
        PRESET_TAG: preset_of(project, params),
        DATA_TAG: data_md5(project),
        FLOW_RUN_TAG: os.environ.get(FLOW_RUN_VARIABLE),
        **_git_state(project.root),
        **_computed_with(),
    }
    return {name: value for name, value in known.items() if value}


def changes(project: Project) -> bytes:
    """A patch from the last commit to the code of the stages, as far as git has its files; empty if nothing differs.

    Empty also where there is no repository, and over 1 MB: the tags say then that something differed.
    """
    repository = _repository(project.root)
    if repository is None:
        return b""
    plain = ("--binary", "--full-index", "--no-renames", "--no-color", "--no-ext-diff", "--no-textconv")
    prefixes = ("--src-prefix=a/", "--dst-prefix=b/")
    patch: bytes = repository.git.diff(
        "HEAD", *plain, *prefixes, "--", *_paths(repository, project.root),
        stdout_as_string=False, strip_newline_in_stdout=False,
    )  # fmt: skip
    return patch if len(patch) <= _MOST_PATCH else b""


def run_name(project: Project, params: Params) -> str:
    """Name of a run that tells it from others in a list: preset or what differs from it, network, image size."""
    return f"{preset_of(project, params)} {params.model.architecture} {params.model.image_size}px"


def preset_of(project: Project, params: Params) -> str:
    """The preset whose settings these are, or the nearest one and what differs: ``quick train.epochs=30``."""
    nearest = nearest_preset(params.flat(), presets(project.root))
    # A file is named by its name.
    changes = [change for change in nearest.changes if not change.key.endswith("_sha256")] if nearest else []
    if nearest is None or len(changes) > _NAMED_DIFFERENCES:
        return "custom"
    return " ".join([nearest.preset, *(f"{change.key}={change.run}" for change in changes)])


def data_md5(project: Project) -> str | None:
    """DVC's hash of ``data/``, from ``data.dvc``."""
    return md5_of(project.data_pointer)


def _git_state(root: Path) -> dict[str, str]:
    repository = _repository(root)
    if repository is None:
        return {}
    paths = _paths(repository, root)
    changed = repository.git.diff("HEAD", "--name-only", "--no-renames", "-z", "--", *paths)
    untracked = repository.git.ls_files("--others", "--exclude-standard", "-z", "--", *paths)
    return {
        COMMIT_TAG: repository.head.commit.hexsha,
        # Of the whole repository, and so nearly always: DVC rewrites dvc.lock before it trains.
        DIRTY_TAG: str(repository.is_dirty()).lower(),
        CHANGES_TAG: _names(changed) or NO_CHANGES,
        UNTRACKED_TAG: _names(untracked),
    }


def _repository(root: Path) -> "Repo | None":
    """The git repository around ``root``, if there is one with a commit and files."""
    import git

    try:
        repository = git.Repo(root, search_parent_directories=True)
        return repository if repository.head.commit and repository.working_tree_dir else None
    except (git.InvalidGitRepositoryError, git.NoSuchPathError, ValueError):
        return None


def _paths(repository: "Repo", root: Path) -> list[str]:
    """Where the code of the stages is, as the repository names it."""
    top = Path(str(repository.working_tree_dir)).resolve()
    return [(root.resolve().relative_to(top) / name).as_posix() for name in _CODE]


def _names(listed: str) -> str:
    return " ".join(filter(None, listed.split("\0")))[:_MOST_NAMES]


def _computed_with() -> dict[str, str]:
    # It imports OpenCV, which a doctor may have to find broken.
    from facesent.images.threads import cores

    packages = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    return {
        "packages": f"python {platform.python_version()}, {packages}",
        "backend": os.environ.get("KERAS_BACKEND", ""),
        "machine": f"{describe_cpu()}, {cores()} CPUs, {platform.system()}",
    }
