"""The images of a clone that has none yet."""

import subprocess

from facesent.core.console import say
from facesent.core.errors import FacesentError
from facesent.core.paths import Project
from facesent.core.programs import child_environment, dvc, process_group, python, tied
from facesent.sources.dvc import has_remote, pull


def bring(project: Project) -> None:
    """Where there are no images: get back those that ``data.dvc`` describes, or draw faces.

    Faces are not drawn where a remote should have the images: ``data.dvc`` would then describe the faces.

    Raises:
        DataError: the remote does not give the images.
        FacesentError: nothing could be drawn; the reason was printed.
    """
    if project.data.exists():
        return
    checkout = dvc("checkout", "--quiet", project.data_pointer.name)
    if project.data_pointer.is_file():
        if _status(checkout, project, subprocess.DEVNULL) == 0:
            return
        if has_remote(project.root):
            say(f"Getting {project.data} from DVC's remote")
            pull(project.data)
            return
    if _status(python("facesent.cli", "data", "draw"), project, None):
        raise FacesentError("Expected images, or a place to draw some. Received: none. Run: facesent data draw")


def _status(command: list[str], project: Project, output: int | None) -> int:
    group = process_group(tied(command), project.root, child_environment(), lifeline=True, stdout=output, stderr=output)
    with group as process:
        return process.wait()
