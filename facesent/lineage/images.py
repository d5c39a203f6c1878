"""The images of a version in a checkout: linked from DVC's cache, or the drawn faces drawn anew."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import yaml

from facesent.core.paths import Project
from facesent.core.programs import Log, ProgramError, dvc, python, run
from facesent.lineage.git import ReproductionError
from facesent.registry.lineage import data_md5
from facesent.sources.dvc import has_remote

_LINKS = ["reflink", "hardlink", "copy"]


def share_cache(project: Project, copy: Project) -> None:
    """Let DVC in ``copy`` take files from the cache and the remotes of ``project``, and link rather than copy them.

    Raises:
        ReproductionError: DVC cannot read its settings.
    """
    from dvc.config import Config
    from dvc.config_schema import RelPath
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    local = Path(".dvc") / "config.local"
    if (project.root / local).is_file():
        shutil.copy(project.root / local, copy.root / local)
    try:
        with Repo(str(project.root)) as repo:
            cache = str(repo.cache.local_cache_dir)
            remotes = repo.config.read()["remote"]
        # By a name of ASCII, as DVC cannot write others into its settings; it makes it relative to its own folder.
        link = copy.root / ".dvc" / "shared"
        # It may have been removed; what a link leads to nothing for, DVC cannot make.
        Path(cache).mkdir(parents=True, exist_ok=True)
        link.symlink_to(cache)
        with Config(str(copy.root / ".dvc")).edit("local") as settings:
            settings["cache"].update(dir=os.path.relpath(link), type=_LINKS)
            # Relative paths are of the project's settings; DVC writes them as seen from those of the copy.
            for name, remote in remotes.items():
                relative = {key: value for key, value in remote.items() if isinstance(value, RelPath)}
                settings["remote"].setdefault(name, {}).update(relative)
    except DvcException as error:
        raise ReproductionError(f"Expected a DVC project in {project.root.absolute()}. Received: {error}") from None


def provide(copy: Project, md5: str, env: Mapping[str, str], report: Log) -> None:
    """Put the images with this hash into ``copy``.

    Raises:
        ReproductionError: neither the cache nor a remote has them, and they are not the drawn faces.
        ProgramError: these could not be drawn.
    """
    # What a commit's data.dvc says may be older: DVC rewrites it when a stage first sees new images.
    pointer = {"outs": [{"md5": md5, "hash": "md5", "path": copy.data.name}]}
    copy.data_pointer.write_text(yaml.safe_dump(pointer), encoding="utf-8")
    name = copy.data_pointer.name
    for attempt in ("checkout", "pull") if has_remote(copy.root) else ("checkout",):
        try:
            run(dvc(attempt, "--force", name), copy.root, env, report)
            return
        except ProgramError:
            continue
    report("DVC's cache does not have the images; drawing the faces to see whether these are the same.")
    run(python("facesent.cli", "data", "sample", "--replace"), copy.root, env, report)
    drawn = data_md5(copy)
    if drawn != md5:
        raise ReproductionError(
            f"Expected the images with DVC's hash {md5}. Received: neither DVC's cache nor a remote has them, and "
            f"the drawn faces are {drawn}. Get them into the cache: run `dvc add data` or `dvc push` where they are, "
            "then `dvc fetch --all-commits data.dvc` here."
        )
