"""Where a project stands, and what to run next: only commands that work in that state."""

from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from facesent.core.errors import DataError, FacesentError
from facesent.core.paths import Project

if TYPE_CHECKING:
    from facesent.dataset.files import Contents
    from facesent.sources.dvc import Tracking


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


def to_use(data_dir: Path) -> str:
    """The commands after images came; stages read the project's own folder alone."""
    project = Project()
    ours = data_dir.resolve() == project.data.resolve()
    return to_train(project) if ours else f"facesent data status --data {quote(str(data_dir))}"


def to_track(data_dir: Path) -> str:
    """That there is no DVC repository around a data folder, and what makes one."""
    here, said = Path().resolve(), "Not tracked: there is no DVC repository here."
    if not data_dir.resolve().is_relative_to(here):
        return said
    return f"{said} Next: dvc init{'' if (here / '.git').exists() else ' --subdir'}"


def about(data_dir: Path, contents: "Contents", state: "Tracking") -> str:
    """How a data folder stands to its ``.dvc`` file, and what to do about that."""
    from facesent.dataset.files import in_deeper_folders
    from facesent.sources.dvc import Tracking, pointer
    from facesent.sources.store import link_trouble, mount_trouble

    source = pointer(data_dir)
    if trouble := link_trouble(data_dir):
        return f"{data_dir} is {trouble.what}. {trouble.advice}"
    if state is Tracking.MISSING or contents.empty:
        # DVC fills a folder file by file.
        if not source.exists() and (trouble := mount_trouble(data_dir)):
            return f"No images can be brought in: {trouble.what}. {trouble.advice}"
        known = f"{source} describes images that are not here. " if source.exists() else ""
        return f"{known}Next: {to_get_images(data_dir)}"
    if not contents.images:
        place = f"{data_dir}/<Class>/"
        way = in_deeper_folders(data_dir) or " Move them there, or: facesent data import DIR --replace"
        return f"Expected images in {place}. Received: none.{way}"
    return {
        Tracking.MATCHES: f"Matches {source}. {_refused(data_dir) or f'Next: {to_use(data_dir)}'}",
        Tracking.DIFFERS: f"Differs from {source}. Next: dvc add {data_dir} to keep this, "
        f"or dvc checkout {source} to go back",
        Tracking.UNTRACKED: f"Not tracked yet. Next: dvc add {data_dir}",
        Tracking.NO_DVC: to_track(data_dir),
    }[state]


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


def _refused(data_dir: Path) -> str | None:
    """What keeps the pipeline from beginning with these folders."""
    from facesent.dataset.glance import check_folders
    from facesent.dataset.settings import Validate
    from facesent.section import ParamsError, section

    try:
        check_folders(data_dir, section(Project().params, "validate", Validate))
    except DataError as error:
        return str(error)
    except ParamsError:
        pass
    return None
