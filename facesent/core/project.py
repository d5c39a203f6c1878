"""Whether a folder is a project's."""

from pathlib import Path

from facesent.core.errors import FacesentError


def is_project(root: Path) -> bool:
    """Whether a folder has dvc.yaml or DVC's folder."""
    return (root / "dvc.yaml").is_file() or (root / ".dvc").is_dir()


def require_project(root: Path) -> None:
    """Refuse to work outside a project.

    Raises:
        FacesentError: neither dvc.yaml nor DVC's folder is in ``root``.
    """
    if is_project(root):
        return
    above = next((str(folder) for folder in root.absolute().parents if is_project(folder)), "where dvc.yaml is")
    raise FacesentError(
        f"Expected a project's folder, with dvc.yaml. Received: {root.absolute()}. "
        f"Run it in the project's root folder: {above}"
    )
