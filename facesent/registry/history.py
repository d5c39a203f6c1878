"""Runs as they were recorded, found again by what a person knows of them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from mlflow.entities import Dataset, Run
from mlflow.tracking import MlflowClient

from facesent.registry.client import mlflow_answers, none_if_missing
from facesent.registry.lineage import COMMIT_TAG
from facesent.registry.runs import search


@dataclass(frozen=True)
class SplitRecord:
    """The images of one split.

    Attributes:
        sha256: the first 16 hex digits of the hash of its CSV file.
        images: how many there are.
    """

    sha256: str
    images: int


@dataclass(frozen=True)
class RunRecord:
    """A run without its metrics: what leads back from it.

    Attributes:
        run_id: MLflow's id.
        name: as people read it in a list.
        status: FINISHED, FAILED, RUNNING or KILLED.
        started: when.
        params: the settings, ``section.key`` to value.
        tags: without MLflow's own.
        splits: by name.
    """

    run_id: str
    name: str
    status: str
    started: datetime
    params: Mapping[str, str]
    tags: Mapping[str, str]
    splits: Mapping[str, SplitRecord]


@mlflow_answers()
def run_with_id(run_id: str) -> RunRecord | None:
    """The run with this whole id, if MLflow still has it."""
    return none_if_missing(lambda: _record(MlflowClient().get_run(run_id)))


@mlflow_answers()
def runs_with_id_starting(prefix: str) -> list[RunRecord]:
    """Runs whose id starts with these hex digits, the newest first."""
    return _records(f"attributes.run_id LIKE '{prefix}%'")


@mlflow_answers()
def runs_at_commit(prefix: str) -> list[RunRecord]:
    """Runs that were started at a commit whose hash starts with these hex digits, the newest first."""
    return _records(f"tags.{COMMIT_TAG} LIKE '{prefix}%'")


@mlflow_answers()
def runs_in(store: str) -> list[RunRecord]:
    """All runs of another tracking store, the newest first."""
    return _records("", store)


def _records(query: str, store: str | None = None) -> list[RunRecord]:
    return [_record(run) for run in search(query, store=store)]


def _record(run: Run) -> RunRecord:
    return RunRecord(
        run_id=str(run.info.run_id),
        name=str(run.info.run_name),
        status=str(run.info.status),
        started=datetime.fromtimestamp(run.info.start_time / 1000, UTC),
        params=dict(run.data.params),
        tags={name: value for name, value in run.data.tags.items() if not name.startswith("mlflow.")},
        splits={
            entry.dataset.name: _split(entry.dataset) for entry in (run.inputs.dataset_inputs if run.inputs else [])
        },
    )


def _split(dataset: Dataset) -> SplitRecord:
    return SplitRecord(dataset.digest, int(json.loads(dataset.profile or "{}").get("num_rows", 0)))
