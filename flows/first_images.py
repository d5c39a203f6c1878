"""The images of a clone that has none yet."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from facesent.core.console import say
from facesent.core.errors import FacesentError
from facesent.core.paths import Project
from facesent.core.programs import child_environment, dvc, process_group, python, tied
from facesent.sources.dvc import can_check_out, has_remote, pull, repository

# What DVC writes first of each file; a kill leaves it.
_DVCS_DRAFTS = ".*.tmp"


def bring(project: Project) -> None:
    """Where there are no images: get back those that ``data.dvc`` describes, or draw faces.

    Faces are not drawn where a remote should have the images: ``data.dvc`` would then describe the faces. A folder that
    an earlier call filled only in part is filled up.

    Raises:
        DataError: the remote does not give the images.
        FacesentError: only some images can be had, or nothing could be drawn; the reason was printed.
    """
    marker = _marker(project) if project.data_pointer.is_file() else None
    if project.data.exists() and not (marker and marker.exists()):
        return
    if marker and _get_back(project, marker):
        return
    if _status(python("facesent.cli", "data", "draw"), project, None):
        raise FacesentError("Expected images, or a place to draw some. Received: none. Run: facesent data draw")


def _marker(project: Project) -> Path | None:
    """The file that says that ``data/`` is being filled; None where there is no DVC repository to fill it from."""
    root = repository(project.data)
    return root and root / ".dvc" / "tmp" / "facesent-filling"


def _get_back(project: Project, marker: Path) -> bool:
    """Fill ``data/`` from DVC's cache or its remote; False where neither has anything of it."""
    with _marked(project, marker):
        for draft in project.data.rglob(_DVCS_DRAFTS):
            draft.unlink()
        # DVC starts up before it finds that its cache lacks an image, and no version of it promises to place none then.
        checkout = dvc("checkout", "--quiet", project.data_pointer.name)
        if can_check_out(project.data) and _status(checkout, project, subprocess.DEVNULL) == 0:
            return True
        if has_remote(project.root):
            say(f"Getting {project.data} from DVC's remote")
            pull(project.data)
            return True
        if project.data.exists():
            raise FacesentError(
                f"Expected all images of {project.data_pointer}. Received: a part of them in {project.data}, left by "
                f"an interrupted run, and no remote for the others. To use this part: dvc add {project.data}. To start "
                f"anew: rm -r {project.data}"
            )
    return False


@contextmanager
def _marked(project: Project, marker: Path) -> Iterator[None]:
    """DVC fills a folder file by file: whatever ends the block before all is there leaves the marker."""
    marker.parent.mkdir(parents=True, exist_ok=True)
    marker.touch()
    try:
        yield
    except BaseException:
        if not project.data.exists():
            marker.unlink()
        raise
    marker.unlink()


def _status(command: list[str], project: Project, output: int | None) -> int:
    group = process_group(tied(command), project.root, child_environment(), lifeline=True, stdout=output, stderr=output)
    with group as process:
        return process.wait()
