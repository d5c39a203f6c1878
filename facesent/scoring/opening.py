"""A folder of answers, new or of an earlier run: whichever it is, with its plan."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from facesent.core.console import NO_PROGRESS, Progress
from facesent.scoring.errors import ScoringError
from facesent.scoring.photos import is_remote
from facesent.scoring.plan import PlannedVersion, ScoringPlan, Wanted, check, make_plan, plan_of


def target_folder(target: str) -> Path:
    """The absolute path of a folder of answers.

    Raises:
        ScoringError: it is in a store, or a file.
    """
    if is_remote(target) or Path(target).is_file():
        raise ScoringError(
            f"Expected a folder for the answers; photos alone may be in a store. Received: {target}. Name a folder, "
            "one that all machines see under this name if they are several."
        )
    return Path(target).absolute()


def open_answers(target: Path, wanted: Wanted, version: str | None, progress: Progress = NO_PROGRESS) -> ScoringPlan:
    """Read the plan of a folder of answers, or make it.

    Args:
        target: the folder, which this run has alone.
        wanted: of the run; its version is the next argument's.
        version: a number or an alias; the alias that the folder was begun with stands for the planned version. None
            for the planned one, or for the champion where nothing is planned.
        progress: as for ``make_plan``.

    Raises:
        ScoringError: as ``check`` and ``make_plan``.
        RegistryError: there is no such version, or its files cannot be had.
        TrackingError: MLflow does not answer.
    """
    planned = plan_of(target)
    if planned is None:
        with _version(version) as found:
            return make_plan(target, wanted, found, progress)
    if version is not None and version != planned.alias:
        from facesent.registry.versions import version_named

        wanted = replace(wanted, version=version_named(version).number)
    check(planned, wanted, target)
    return planned


@contextmanager
def _version(name: str | None) -> Iterator[PlannedVersion]:
    from facesent.registry.client import mlflow_answers
    from facesent.registry.packaging import min_confidence_of
    from facesent.registry.versions import model_uri, version_files, version_named

    number = version_named(name).number
    alias = "" if name is None or name == str(number) else name
    with mlflow_answers(), version_files(number) as (model, labels):
        yield PlannedVersion(number, model, labels, min_confidence_of(model_uri(number)), alias)
