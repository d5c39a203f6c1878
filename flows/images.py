"""Images for a first run."""

import subprocess
import sys

from facesent.errors import FacesentError
from facesent.project import Project


def bring(project: Project) -> None:
    """Where there are no images: get back those that ``data.dvc`` describes, or draw the embedded faces.

    Raises:
        FacesentError: neither could be done; the reason was printed.
    """
    if project.data.exists():
        return
    # -P: a module in the project must not shadow one that DVC imports.
    checkout = ["-P", "-m", "dvc", "checkout", "--quiet", project.data_pointer.name]
    if project.data_pointer.is_file() and _python(project, checkout, subprocess.DEVNULL) == 0:
        return
    if _python(project, ["-m", "facesent.cli", "data", "sample"], None):
        raise FacesentError("Expected images, or a place to draw some. Received: none. Run: facesent data sample")


def _python(project: Project, arguments: list[str], output: int | None) -> int:
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=project.root, stdout=output, stderr=output, check=False).returncode
