"""Versions that were trained on images of somebody who has been forgotten since, and what shows these images."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
from mlflow.entities import Run, ViewType
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.tracking import MlflowClient

from facesent.core.errors import DataError
from facesent.dataset.assignment import table_of, text_of
from facesent.registry import runs, versions
from facesent.registry.addresses import sqlite_file
from facesent.registry.artifacts import ASSIGNMENT, EVALUATION, GATE, PAGE, PREDICTIONS, SEEN, SHEETS
from facesent.registry.client import mlflow_answers
from facesent.registry.packaging import UNLIKE_FILE, logged_model
from facesent.registry.runs import EXPERIMENT, MODEL_TAG, PROCESS_TAG
from facesent.registry.versions import RETRAIN_TAG

_PAGE, _JUDGED_PAGE = f"{EVALUATION}/{PAGE}", f"{GATE}/{PAGE}"
_OURS = f"tags.`{PROCESS_TAG}` LIKE '%'"
_PHOTO = re.compile(r"data:image/[^\"')]+")

# Which rows, with content, person and source as in assignment.csv, are of images that are to be forgotten.
Knows = Callable[[pd.DataFrame], "pd.Series[bool]"]
# Which rows of a table with a row an image, such as predictions.csv, are or may be of such images.
MayHave = Callable[[pd.DataFrame], "pd.Series[bool]"]
# Whether a file with this name shows no photo.
IsChart = Callable[[str], bool]


@dataclass(frozen=True)
class Affected:
    """What was trained on images, or does not say on what.

    Attributes:
        runs: ids.
        versions: numbers, sorted.
    """

    runs: tuple[str, ...]
    versions: tuple[int, ...]


@mlflow_answers(makes_store=False)
def trained_on(knows: Knows) -> Affected:
    """The runs and versions that have seen such images, as far as they say, and those that do not say."""
    if not _has_store():
        return Affected((), ())
    all_runs = list(_all_runs())
    found = {str(run.info.run_id) for run in all_runs if _has_seen(run, knows)}
    known = versions.all_versions()
    lost = {version.run_id for version in known} - {str(run.info.run_id) for run in all_runs}
    marked = [version.number for version in known if version.run_id in found | lost]
    return Affected(tuple(sorted(found)), tuple(sorted(marked)))


@mlflow_answers(makes_store=False)
def mark(trained: Affected, when: str) -> None:
    """Let them say that they have to be trained again; a version that is made of such a run later says so too."""
    for run_id in trained.runs:
        runs.tag_run(run_id, {RETRAIN_TAG: when})
    for version in trained.versions:
        versions.tag_version(version, {RETRAIN_TAG: when})


@mlflow_answers(makes_store=False)
def forget_splits(kept: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    """Leave in the ``assignment.csv`` of each run what ``kept`` gives of it; a damaged table goes whole."""
    for run in _all_runs() if _has_store() else ():
        content = runs.read_bytes(run.info.run_id, ASSIGNMENT)
        if content is None:
            continue
        try:
            text = text_of(kept(table_of(content.decode(), ASSIGNMENT)))
        except (DataError, ValueError):
            get_artifact_repository(run.info.artifact_uri).delete_artifacts(ASSIGNMENT)  # type: ignore[no-untyped-call]
            continue
        if text.encode() != content:
            runs.log_bytes(run.info.run_id, ASSIGNMENT, text.encode())


@mlflow_answers(makes_store=False)
def remove_pictures(knows: Knows, may_have: MayHave, is_chart: IsChart) -> int:
    """Delete the sheets and pages of runs that may show such images, and their rows of predictions; how many files.

    Also of runs that somebody deleted, whose files MLflow keeps until `mlflow gc`.
    """
    removed = 0
    for run in _all_runs() if _has_store() else ():
        repository = get_artifact_repository(run.info.artifact_uri)
        paths = list(_paths(repository))
        pictures = _showing(run, [path for path in paths if not is_chart(path)], knows, may_have)
        for path in pictures:
            repository.delete_artifacts(path)  # type: ignore[no-untyped-call]
        removed += len(pictures)
        # Last: whoever comes after a kill tells by them whose pages these are.
        for path in paths:
            if path.endswith(PREDICTIONS):
                _remove_rows(run.info.run_id, path, may_have)
    return removed


@mlflow_answers(makes_store=False)
def remove_embeddings(knows: Knows) -> int:
    """Take the embeddings of such images out of the models that keep them to tell what is unlike; how many."""
    places = _places_of_models() if _has_store() else ()
    return sum(_without_embeddings(place, knows) for place in places)


def _without_embeddings(place: str, knows: Knows) -> int:
    repository = get_artifact_repository(place)
    path = f"artifacts/{UNLIKE_FILE}"
    if path not in {entry.path for entry in repository.list_artifacts("artifacts")}:
        return 0
    from facesent.prediction.unlike import Known

    with TemporaryDirectory() as scratch:
        known = Known.load(Path(repository.download_artifacts(path, scratch)))  # type: ignore[no-untyped-call]
        theirs = knows(pd.DataFrame({"content": known.contents, "person": "", "source": ""})).to_numpy(dtype=bool)
        if theirs.any():
            left = replace(known, embeddings=known.embeddings[~theirs], contents=known.contents[~theirs])
            left.save(Path(scratch) / UNLIKE_FILE)
            repository.log_artifact(str(Path(scratch) / UNLIKE_FILE), "artifacts")  # type: ignore[no-untyped-call]
    return int(theirs.sum())


def _showing(run: Run, pictures: list[str], knows: Knows, may_have: MayHave) -> list[str]:
    """Sheets are of images that were trained on, pages of those that were tested."""
    if not pictures:
        return []
    predictions = _predictions(run.info.run_id, f"{EVALUATION}/{PREDICTIONS}")
    tested = predictions is None or bool(may_have(predictions).any())
    # The gate's page may be of an earlier evaluation, of which nothing else is left.
    stale = _JUDGED_PAGE in pictures and not _is_of_this_evaluation(run)
    sheets = [path for path in pictures if path.startswith(f"{SHEETS}/")]
    pages = [path for path in pictures if path not in sheets and (tested or (stale and path == _JUDGED_PAGE))]
    return [*pages, *(sheets if _has_seen(run, knows, unless_known=True) else [])]


def _predictions(run_id: str, path: str) -> pd.DataFrame | None:
    """The table; None where there is none, or a damaged one."""
    try:
        text = StringIO(runs.read_text(run_id, path) or "")
        table = pd.read_csv(text, dtype=str, keep_default_na=False, lineterminator="\n")
    except ValueError:
        return None
    return table if "file_name" in table else None


def _remove_rows(run_id: str, path: str, may_have: MayHave) -> None:
    table = _predictions(run_id, path)
    if table is not None and (theirs := may_have(table)).any():
        runs.log_bytes(run_id, path, table[~theirs].to_csv(index=False, lineterminator="\n").encode())


def _has_store() -> bool:
    """Looking something up must not make a store."""
    file = sqlite_file()
    return file is None or file.is_file()


def _places_of_models() -> Iterator[str]:
    """Where the files of models are, also of those that somebody deleted, and of those of deleted runs."""
    client = MlflowClient()
    for run in _all_runs():
        for output in run.outputs.model_outputs if run.outputs else ():
            if model := logged_model(output.model_id):
                yield str(model.artifact_location)
            else:
                # MLflow keeps the files, and no longer says where.
                root = client.get_experiment(run.info.experiment_id).artifact_location
                yield f"{root}/models/{output.model_id}/artifacts"


def _all_runs() -> Iterator[Run]:
    """This project's, deleted or not: all of its experiment, and those of it that are in another one now.

    A server may hold other projects' too.
    """
    experiments = MlflowClient().search_experiments(view_type=ViewType.ALL)
    ours = {experiment.experiment_id for experiment in experiments if experiment.name == EXPERIMENT}
    yield from _runs_in(sorted(ours), "")
    yield from _runs_in([found.experiment_id for found in experiments if found.experiment_id not in ours], _OURS)


def _runs_in(experiments: list[str], query: str) -> Iterator[Run]:
    client, token = MlflowClient(), None
    while experiments:
        page = client.search_runs(experiments, query, run_view_type=ViewType.ALL, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _has_seen(run: Run, knows: Knows, *, unless_known: bool = False) -> bool:
    # No fold and no trial has a model that is registered, nor says what it has seen.
    if MODEL_TAG not in run.data.tags:
        return unless_known
    text = runs.read_text(run.info.run_id, SEEN)
    try:
        return text is None or bool(knows(table_of(text, SEEN)).any())
    except (DataError, ValueError):
        # Damaged: it does not say.
        return True


def _is_of_this_evaluation(run: Run) -> bool:
    judged, page = (runs.read_text(run.info.run_id, path) or "" for path in (_JUDGED_PAGE, _PAGE))
    return set(_PHOTO.findall(judged)) <= set(_PHOTO.findall(page))


def _paths(repository: object, folder: str | None = None) -> Iterator[str]:
    for entry in repository.list_artifacts(folder):  # type: ignore[attr-defined]
        if entry.is_dir:
            yield from _paths(repository, entry.path)
        else:
            yield entry.path
