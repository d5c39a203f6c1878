"""What to run next: only commands that work in the project's state."""

from pathlib import Path

from facesent.core.errors import FacesentError
from facesent.core.paths import Project


def to_train(project: Project) -> str:
    """The command that runs the stages, behind what it still lacks."""
    needed = [*_images(project), *_weights(project)]
    return ", then ".join([*needed, "dvc repro"])


def to_get_images(data_dir: Path) -> str:
    """The commands that fill an empty data folder: with what its ``.dvc`` file describes, where that can be had."""
    from facesent.sources.dvc import can_check_out, can_pull, pointer
    from facesent.sources.kaggle import has_credentials

    if can_check_out(data_dir):
        ways = [f"dvc checkout {pointer(data_dir)}"]
    elif can_pull(data_dir):
        ways = [f"dvc pull {pointer(data_dir)}"]
    else:
        ways = ["facesent data draw", *(["facesent data download"] if has_credentials() else [])]
    return f"{', '.join(ways)} or facesent data import DIR"


def to_promote(project: Project) -> str:
    """The command that registers the model, behind the stages where there is none yet."""
    if project.model.is_file() and project.metrics.is_file():
        return "facesent promote"
    return f"{to_train(project)}, then facesent promote"


def _images(project: Project) -> list[str]:
    from facesent.dataset.files import describe

    return [] if describe(project.data).images else [to_get_images(project.data)]


def _weights(project: Project) -> list[str]:
    from facesent.params import load_params
    from facesent.sources.weights.catalogue import needed

    try:
        return needed(load_params(project.params).model, project.root)
    except FacesentError:
        return []
