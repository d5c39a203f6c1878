"""MLflow runs: one a training, fold, trial or group of them, found again by what it is a run of.

A run says which process writes it, so that those of processes that were killed can be told from those under way.
"""

import hashlib
import json
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import pandas as pd
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, Run
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.tracking import MlflowClient
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from facesent.core.errors import TrackingError
from facesent.registry.addresses import make_relative
from facesent.registry.client import fitting_tag, mlflow_answers, none_if_missing
from facesent.registry.notes import experiment_tags
from facesent.registry.processes import host, is_alive, this_process

EXPERIMENT = "facesent"
MODEL_TAG = "facesent.model_sha256"
FINGERPRINT_TAG = "facesent.fingerprint"
PROCESS_TAG = "facesent.process"
# MLflow's pages sort sections by what stands before the slash: the learning curves come first.
EPOCH = "epoch/"

Status = Literal["FINISHED", "FAILED", "KILLED"]

# What MLflow takes in one call, and what it gives.
_MOST_PARAMS = 100
_MOST_RUNS = 1000

# Lets MLflow's pages show trainings rather than chats and traces.
_KIND = {"mlflow.experimentKind": "custom_model_development"}


@mlflow_answers()
def begin(
    name: str,
    params: Mapping[str, Any],
    *,
    fingerprint: str | None = None,
    tags: Mapping[str, str] | None = None,
    parent: str | None = None,
    resume: bool = True,
) -> str:
    """Start a run, or go on with the one of this fingerprint that was begun before; returns its id.

    A run of another machine is gone on with only if it ended early.

    Args:
        name: of the run, as people read it in a list.
        params: the settings, ``section.key`` to value.
        fingerprint: equal for what would give equal results; None for a run that nobody goes on with.
        tags: commit, data hash, preset, flow run.
        parent: id of the run that it belongs to; a fingerprint is then looked for among that one's children.
        resume: whether what was begun before is to be gone on with.

    Raises:
        TrackingError: if MLflow cannot be reached.
    """
    client = MlflowClient()
    mark_killed()
    if resume and fingerprint and (left := _begun(fingerprint, parent)):
        client.update_run(left.info.run_id, status="RUNNING")
        client.set_tag(left.info.run_id, PROCESS_TAG, this_process())
        return str(left.info.run_id)
    known = {PROCESS_TAG: this_process(), FINGERPRINT_TAG: fingerprint, MLFLOW_PARENT_RUN_ID: parent}
    experiment = experiment_id(client)
    for tag, value in experiment_tags().items():
        client.set_experiment_tag(experiment, tag, value)
    all_tags = {**(tags or {}), **{tag: value for tag, value in known.items() if value}}
    run_id = str(client.create_run(experiment, tags=all_tags, run_name=name).info.run_id)
    entries = [Param(key, str(value)) for key, value in params.items()]
    for start in range(0, len(entries), _MOST_PARAMS):
        client.log_batch(run_id, params=entries[start : start + _MOST_PARAMS])
    return run_id


@contextmanager
def recorded(run_id: str) -> Iterator[str]:
    """See to it that a run does not stay open when a block, which has to finish it, raises; yields its id."""
    try:
        yield run_id
    except BaseException as error:
        give_up(run_id, "FAILED" if isinstance(error, Exception) else "KILLED")
        raise


def give_up(run_id: str, status: Status) -> None:
    """End a run because of an error, which is the one to hear of; if MLflow is away, ``mark_killed`` does it later."""
    with suppress(TrackingError):
        finish(run_id, status=status)


@mlflow_answers()
def finish(run_id: str, metrics: Mapping[str, float] | None = None, status: Status = "FINISHED") -> None:
    """Log what a run ends with, and end it.

    Args:
        run_id: MLflow's id.
        metrics: the result, beside what was logged an epoch.
        status: KILLED for a trial that was pruned or an interrupted run, FAILED for one that raised.

    Raises:
        TrackingError: if MLflow cannot be reached.
    """
    log_metrics(run_id, metrics or {})
    MlflowClient().set_terminated(run_id, status=status)


@mlflow_answers()
def log_epoch(run_id: str, epoch: int, row: Mapping[str, float]) -> None:
    """Log an epoch's metrics as ``epoch/NAME``; ``epoch`` counts from 0, MLflow's step from 1 as the terminal does."""
    log_metrics(run_id, {f"{EPOCH}{name}": value for name, value in row.items()}, epoch + 1)


@mlflow_answers()
def log_history(run_id: str, history: Sequence[Mapping[str, float]]) -> None:
    """Log the epochs that the run lacks; ``history`` begins with epoch 0."""
    if not history:
        return
    # An epoch's metrics arrive together or not at all.
    known = MlflowClient().get_metric_history(run_id, f"{EPOCH}{metric_name(next(iter(history[0])))}")
    steps = {metric.step for metric in known}
    for epoch, row in enumerate(history):
        if epoch + 1 not in steps:
            log_epoch(run_id, epoch, row)


def rows_of(history: pd.DataFrame) -> list[dict[str, float]]:
    """The epochs of a table with a row each, as ``log_history`` takes them."""
    return [{str(name): float(value) for name, value in row.items()} for row in history.to_dict("records")]


def log_metrics(run_id: str, metrics: Mapping[str, float], step: int = 0) -> None:
    """Log metrics, whose names may hold any character."""
    now = time.time_ns() // 1_000_000
    entries = [Metric(metric_name(name), value, now, step) for name, value in metrics.items()]
    MlflowClient().log_batch(run_id, metrics=entries)


def log_images(run_id: str, splits: Mapping[str, pd.DataFrame]) -> None:
    """Let a run say which images it used: the rows of each split."""
    MlflowClient().log_inputs(run_id, [_dataset(name, frame) for name, frame in splits.items()])


def has_images(run_id: str) -> bool:
    """Whether a run says which images it used."""
    inputs = MlflowClient().get_run(run_id).inputs
    return bool(inputs and inputs.dataset_inputs)


@mlflow_answers()
def log_files(run_id: str, files: Iterable[Path], folder: str | None = None) -> None:
    """Add files as artifacts, under ``folder`` if one is named.

    Raises:
        TrackingError: if MLflow cannot be reached.
    """
    for file in files:
        MlflowClient().log_artifact(run_id, str(file), folder)


def remove_files(run_id: str, folder: str) -> None:
    """Remove a folder of artifacts, if it is there."""
    repository = get_artifact_repository(MlflowClient().get_run(run_id).info.artifact_uri)
    if any(entry.path == folder for entry in repository.list_artifacts()):
        repository.delete_artifacts(folder)  # type: ignore[no-untyped-call]


def log_bytes(run_id: str, artifact: str, content: bytes) -> None:
    """``MlflowClient.log_text`` for what may be in any encoding."""
    folder, _, name = artifact.rpartition("/")
    with TemporaryDirectory() as scratch:
        file = Path(scratch) / name
        file.write_bytes(content)
        log_files(run_id, [file], folder or None)


@mlflow_answers(makes_store=False)
def read_bytes(run_id: str, artifact: str) -> bytes | None:
    """An artifact; None where the run has none of this name, or is gone itself.

    Raises:
        TrackingError: it cannot be had now, which does not say whether there is one.
    """
    if not run_id:
        return None
    client = MlflowClient()
    listed = none_if_missing(lambda: client.list_artifacts(run_id, artifact.rpartition("/")[0] or None))
    if artifact not in [entry.path for entry in listed or ()]:
        return None
    with TemporaryDirectory() as scratch:
        return Path(client.download_artifacts(run_id, artifact, scratch)).read_bytes()


def read_text(run_id: str, artifact: str) -> str | None:
    """The text of an artifact, as ``read_bytes``; None too where it is damaged and no text."""
    content = read_bytes(run_id, artifact)
    try:
        return None if content is None else content.decode()
    except UnicodeDecodeError:
        return None


def tag_run(run_id: str, tags: Mapping[str, str]) -> None:
    """Add tags to a run; of a long one the beginning."""
    for name, value in tags.items():
        MlflowClient().set_tag(run_id, name, fitting_tag(value))


def when(run_id: str) -> datetime:
    """When a run began, in UTC."""
    return datetime.fromtimestamp(MlflowClient().get_run(run_id).info.start_time / 1000, UTC)


def params_of(run_id: str) -> dict[str, str]:
    """The settings of a run, by name."""
    return dict(sorted(MlflowClient().get_run(run_id).data.params.items()))


def run_tags(run_id: str) -> dict[str, str]:
    """The tags of a run that lead back to commit, data and flow; without MLflow's own."""
    tags = MlflowClient().get_run(run_id).data.tags
    return {name: value for name, value in tags.items() if not name.startswith("mlflow.")}


def is_finished(run_id: str) -> bool:
    """Whether a run ended well."""
    return bool(MlflowClient().get_run(run_id).info.status == "FINISHED")


def exists(run_id: str) -> bool:
    """Whether MLflow has this run, and nobody deleted it."""
    run = none_if_missing(lambda: MlflowClient().get_run(run_id))
    return bool(run and run.info.lifecycle_stage == "active")


def find_run(model_sha256: str) -> str | None:
    """Id of the newest run that made this model, if MLflow knows one."""
    found = search(f"tags.`{MODEL_TAG}` = '{model_sha256}'", "DESC", 1)
    return str(found[0].info.run_id) if found else None


@mlflow_answers()
def finished_children(parent: str) -> dict[str, str]:
    """Fingerprint to run id of the children of a run that ended well, the oldest first.

    Raises:
        TrackingError: if MLflow cannot be reached.
    """
    found = search(f"tags.`{MLFLOW_PARENT_RUN_ID}` = '{parent}' and attributes.status = 'FINISHED'", "ASC")
    return {run.data.tags.get(FINGERPRINT_TAG, ""): str(run.info.run_id) for run in found}


@mlflow_answers()
def mark_killed() -> None:
    """End the runs that processes of this machine left open when they were killed."""
    for run in search(f"attributes.status = 'RUNNING' and tags.`{PROCESS_TAG}` LIKE '{host()} %'", "ASC"):
        if not is_alive(run.data.tags[PROCESS_TAG]):
            MlflowClient().set_terminated(run.info.run_id, status="KILLED")


def search(
    query: str, order: Literal["ASC", "DESC"] = "DESC", most: int = _MOST_RUNS, *, store: str | None = None
) -> list[Run]:
    """Runs by MLflow's query and in the order of their starts; of another tracking store where one is named."""
    client = MlflowClient(store)
    # Looking something up must not make an experiment.
    experiment = client.get_experiment_by_name(EXPERIMENT)
    if experiment is None:
        return []
    by_start = [f"attributes.start_time {order}"]
    return list(client.search_runs([experiment.experiment_id], query, max_results=most, order_by=by_start))


@mlflow_answers()
def check_experiment() -> None:
    """Refuse a deleted experiment, into which no run can be written.

    Raises:
        TrackingError: if so.
    """
    experiment = MlflowClient().get_experiment_by_name(EXPERIMENT)
    if experiment and experiment.lifecycle_stage != "active":
        # As MLflow says it where a run is begun.
        number, stage = experiment.experiment_id, experiment.lifecycle_stage
        raise MlflowException(f"The experiment {number} must be in the 'active' state. Current state is {stage}.")


@mlflow_answers(makes_store=False)
def artifact_location() -> str:
    """The address under which new runs keep their files; empty where there was no run yet."""
    experiment = MlflowClient().get_experiment_by_name(EXPERIMENT)
    return str(experiment.artifact_location) if experiment else ""


def metric_name(name: str) -> str:
    """A name that MLflow accepts: class folders may hold any character."""
    return re.sub(r"[^\w\-. /]", "_", name)


def experiment_id(client: MlflowClient) -> str:
    """Id of the experiment that holds all runs, which is made where it is missing."""
    experiment = client.get_experiment_by_name(EXPERIMENT)
    if experiment:
        return str(experiment.experiment_id)
    made = str(client.create_experiment(EXPERIMENT, tags=_KIND))
    # Its runs and models take their addresses from it.
    make_relative()
    return made


def _begun(fingerprint: str, parent: str | None) -> Run | None:
    of_parent = f" and tags.`{MLFLOW_PARENT_RUN_ID}` = '{parent}'" if parent else ""
    found = search(f"tags.`{FINGERPRINT_TAG}` = '{fingerprint}'{of_parent}", "DESC")
    return next(filter(_may_go_on, found), None)


def _may_go_on(run: Run) -> bool:
    """Another machine's run may be finished, and a version's, or under way there."""
    here = run.data.tags.get(PROCESS_TAG, "").startswith(f"{host()} ")
    return here or run.info.status in ("KILLED", "FAILED")


def _dataset(name: str, frame: pd.DataFrame) -> DatasetInput:
    """A split as MLflow lists it: its file, its columns and its images a class."""
    counts = {str(label): int(count) for label, count in frame["label"].value_counts(sort=False).items()}
    columns = [{"name": column, "type": "string"} for column in frame.columns]
    dataset = Dataset(
        name=name,
        digest=hashlib.sha256(frame.to_csv(index=False).encode()).hexdigest()[:16],
        source_type="local",
        source=json.dumps({"uri": f"outputs/split/{name}.csv"}),
        schema=json.dumps({"mlflow_colspec": columns}),
        profile=json.dumps({"num_rows": len(frame), **counts}),
    )
    return DatasetInput(dataset, [InputTag("mlflow.data.context", name)])
