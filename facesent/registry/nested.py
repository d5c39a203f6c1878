"""MLflow runs of several trainings under a parent: folds and trials, found again by a key after a kill.

A child's epochs are logged with ``runs.log_epoch``.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from mlflow.entities import Metric, Run
from mlflow.tracking import MlflowClient
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from facesent.core.errors import TrackingError
from facesent.registry import runs
from facesent.registry.client import mlflow_answers

KEY_TAG = "facesent.key"


Status = Literal["FINISHED", "FAILED", "KILLED"]


# What MLflow gives in one call.
_MOST_RUNS = 1000


@dataclass(frozen=True)
class Child:
    """A finished child: its run, what it was begun with, and its last metrics."""

    run_id: str
    name: str
    key: str
    params: Mapping[str, str]
    metrics: Mapping[str, float]


@mlflow_answers()
def begin_parent(name: str, tags: Mapping[str, str], params: Mapping[str, Any], key: str) -> str:
    """Start a parent run, or go on with the one that has this key; returns its id.

    Args:
        name: of the run, as people read it in a list.
        tags: commit, data hash, preset, flow run.
        params: the settings, ``section.key`` to value.
        key: equal for what would give equal results, so that what a kill left is gone on with.

    Raises:
        TrackingError: if MLflow cannot be reached.
    """
    return _begin(name, tags, params, key)


@mlflow_answers()
def begin_child(parent_id: str, name: str, params: Mapping[str, Any], key: str) -> str:
    """Start a child run, or go on with the parent's child that has this key; returns its id.

    The arguments are those of ``begin_parent``.

    Raises:
        TrackingError: if MLflow cannot be reached.
    """
    return _begin(name, {MLFLOW_PARENT_RUN_ID: parent_id}, params, key)


@contextmanager
def recorded_child(parent_id: str, name: str, params: Mapping[str, Any], key: str) -> Iterator[str]:
    """Open a child run for a block, which has to finish it; what the block raises marks it as failed or killed.

    The arguments are those of ``begin_child``.

    Yields:
        the run's id.

    Raises:
        TrackingError: if MLflow cannot be reached.
    """
    run_id = begin_child(parent_id, name, params, key)
    try:
        yield run_id
    except BaseException as error:
        # The error that ended the training is the one to hear of.
        with suppress(TrackingError):
            finish(run_id, {}, "FAILED" if isinstance(error, Exception) else "KILLED")
        raise


@mlflow_answers()
def finish(run_id: str, metrics: Mapping[str, float], status: Status = "FINISHED") -> None:
    """Log what a run ends with, and end it.

    Args:
        run_id: of a parent or a child.
        metrics: the result, beside what was logged an epoch.
        status: KILLED for a trial that was pruned or an interrupted run, FAILED for one that raised.

    Raises:
        TrackingError: if MLflow cannot be reached.
    """
    client = MlflowClient()
    now = runs.now_ms()
    client.log_batch(run_id, metrics=[Metric(runs.metric_name(name), metrics[name], now, 0) for name in metrics])
    client.set_terminated(run_id, status=status)


@mlflow_answers()
def log_files(run_id: str, files: Iterable[Path]) -> None:
    """Add pictures and tables to a run.

    Raises:
        TrackingError: if MLflow cannot be reached.
    """
    for file in files:
        MlflowClient().log_artifact(run_id, str(file))


@mlflow_answers()
def finished_children(parent_id: str) -> list[Child]:
    """The parent's children that ended well, the oldest first.

    Raises:
        TrackingError: if MLflow cannot be reached.
    """
    query = f"tags.`{MLFLOW_PARENT_RUN_ID}` = '{parent_id}' and attributes.status = 'FINISHED'"
    return [
        Child(
            run_id=str(run.info.run_id),
            name=str(run.info.run_name),
            key=run.data.tags.get(KEY_TAG, ""),
            params=dict(run.data.params),
            metrics=dict(run.data.metrics),
        )
        for run in _search(query, "ASC")
    ]


def _begin(name: str, tags: Mapping[str, str], params: Mapping[str, Any], key: str) -> str:
    client = MlflowClient()
    parent = tags.get(MLFLOW_PARENT_RUN_ID)
    of_parent = f" and tags.`{MLFLOW_PARENT_RUN_ID}` = '{parent}'" if parent else ""
    if left := _search(f"tags.`{KEY_TAG}` = '{key}'{of_parent}", "DESC"):
        client.update_run(left[0].info.run_id, status="RUNNING")
        return str(left[0].info.run_id)
    experiment = runs.experiment_id(client)
    run_id = str(client.create_run(experiment, tags={**tags, KEY_TAG: key}, run_name=name).info.run_id)
    runs.log_params(run_id, params)
    return run_id


def _search(query: str, order: Literal["ASC", "DESC"]) -> list[Run]:
    client = MlflowClient()
    by_start = [f"attributes.start_time {order}"]
    return list(client.search_runs([runs.experiment_id(client)], query, max_results=_MOST_RUNS, order_by=by_start))
