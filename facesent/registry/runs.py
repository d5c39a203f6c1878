"""MLflow runs: one a training, found again by the model it made."""

import hashlib
import json
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, Run
from mlflow.tracking import MlflowClient

from facesent.registry.notes import experiment_tags

EXPERIMENT = "facesent"


MODEL_TAG = "facesent.model_sha256"


FINGERPRINT_TAG = "facesent.training.fingerprint"


CHANGES_ARTIFACT = "lineage/changes.patch"


# What MLflow takes in one call.
_MOST_PARAMS = 100


# Lets MLflow's pages show trainings rather than chats and traces.
_KIND = {"mlflow.experimentKind": "custom_model_development"}


@dataclass(frozen=True)
class Description:
    """What is known of a training before it starts.

    Attributes:
        name: of the run, as people read it in a list.
        fingerprint: equal for trainings that would give equal weights; None for one that is not resumed.
        params: the settings, ``section.key`` to value.
        tags: commit, data hash, preset, flow run.
        splits: file name, label and group of the images of each split.
        changes: a patch from the commit to the code that trains; empty if it is the commit's.
    """

    name: str
    fingerprint: str | None
    params: Mapping[str, Any]
    tags: Mapping[str, str]
    splits: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    changes: bytes = b""


def begin(description: Description, *, resume: bool) -> str:
    """Start a run, or go on with the one that a killed training left; returns its id."""
    client = MlflowClient()
    fingerprint = description.fingerprint
    if resume and fingerprint and (left := _find(client, FINGERPRINT_TAG, fingerprint)):
        client.update_run(left.info.run_id, status="RUNNING")
        return str(left.info.run_id)
    tags = {**description.tags, **({FINGERPRINT_TAG: fingerprint} if fingerprint else {})}
    experiment = experiment_id(client)
    for name, value in experiment_tags().items():
        client.set_experiment_tag(experiment, name, value)
    run = client.create_run(experiment, tags=tags, run_name=description.name)
    log_params(run.info.run_id, description.params)
    client.log_inputs(run.info.run_id, [_dataset(name, frame) for name, frame in description.splits.items()])
    if description.changes:
        _log_bytes(client, run.info.run_id, CHANGES_ARTIFACT, description.changes)
    return str(run.info.run_id)


def log_params(run_id: str, params: Mapping[str, Any]) -> None:
    """Log the settings of a run, ``section.key`` to value."""
    entries = [Param(key, str(value)) for key, value in params.items()]
    for start in range(0, len(entries), _MOST_PARAMS):
        MlflowClient().log_batch(run_id, params=entries[start : start + _MOST_PARAMS])


def log_epoch(run_id: str, epoch: int, row: Mapping[str, float]) -> None:
    """Log one epoch's metrics; epochs count from 1 in MLflow, as in the terminal's lines."""
    now = now_ms()
    metrics = [Metric(name, value, now, epoch + 1) for name, value in row.items()]
    MlflowClient().log_batch(run_id, metrics=metrics)


def finish(run_id: str, model_sha256: str) -> None:
    """Mark a training's run as ended with this model."""
    client = MlflowClient()
    client.set_tag(run_id, MODEL_TAG, model_sha256)
    client.set_terminated(run_id)


def fail(run_id: str) -> None:
    """Mark a run as failed."""
    MlflowClient().set_terminated(run_id, status="FAILED")


def find_run(model_sha256: str) -> str | None:
    """Id of the newest run that made this model, if MLflow knows one."""
    run = _find(MlflowClient(), MODEL_TAG, model_sha256)
    return str(run.info.run_id) if run else None


def log_evaluation(run_id: str, test: pd.DataFrame, metrics: Mapping[str, float], files: Iterable[Path]) -> None:
    """Add the test images, their metrics, and pictures and tables as artifacts under ``evaluation/``."""
    client = MlflowClient()
    client.log_inputs(run_id, [_dataset("test", test)])
    now = now_ms()
    client.log_batch(run_id, metrics=[Metric(name, value, now, 0) for name, value in metrics.items()])
    log_files(run_id, files, "evaluation")


def tag_run(run_id: str, tags: Mapping[str, str]) -> None:
    """Add tags to a run."""
    client = MlflowClient()
    for name, value in tags.items():
        client.set_tag(run_id, name, value)


def log_files(run_id: str, files: Iterable[Path], folder: str) -> None:
    """Add files as artifacts under ``folder``."""
    client = MlflowClient()
    for file in files:
        client.log_artifact(run_id, str(file), folder)


def run_tags(run_id: str) -> dict[str, str]:
    """The tags of a run that lead back to commit, data and flow; without MLflow's own."""
    tags = MlflowClient().get_run(run_id).data.tags
    return {name: value for name, value in tags.items() if not name.startswith("mlflow.")}


def metric_name(name: str) -> str:
    """A name that MLflow accepts: class folders may hold any character."""
    return re.sub(r"[^\w\-. /]", "_", name)


def now_ms() -> int:
    """Milliseconds since 1970, as MLflow counts time."""
    return time.time_ns() // 1_000_000


def experiment_id(client: MlflowClient) -> str:
    """Id of the experiment that holds all runs, which is made where it is missing."""
    experiment = client.get_experiment_by_name(EXPERIMENT)
    return str(experiment.experiment_id if experiment else client.create_experiment(EXPERIMENT, tags=_KIND))


def _find(client: MlflowClient, tag: str, value: str) -> Run | None:
    runs = client.search_runs(
        [experiment_id(client)], f"tags.`{tag}` = '{value}'", order_by=["attributes.start_time DESC"], max_results=1
    )
    return runs[0] if runs else None


def _log_bytes(client: MlflowClient, run_id: str, artifact: str, content: bytes) -> None:
    """``MlflowClient.log_text`` for what may be in any encoding."""
    folder, _, name = artifact.rpartition("/")
    with TemporaryDirectory() as scratch:
        file = Path(scratch) / name
        file.write_bytes(content)
        client.log_artifact(run_id, str(file), folder)


def _dataset(name: str, frame: pd.DataFrame) -> DatasetInput:
    """A split as MLflow lists it: its file, its columns and its images a class."""
    counts = {str(label): int(count) for label, count in frame["label"].value_counts(sort=False).items()}
    columns = [{"name": column, "type": "string"} for column in frame.columns]
    dataset = Dataset(
        name=name,
        digest=hashlib.sha256(frame.to_csv(index=False).encode()).hexdigest()[:16],
        source_type="local",
        source=json.dumps({"uri": f"outputs/splits/{name}.csv"}),
        schema=json.dumps({"mlflow_colspec": columns}),
        profile=json.dumps({"num_rows": len(frame), **counts}),
    )
    return DatasetInput(dataset, [InputTag("mlflow.data.context", name)])


def log_verdict(run_id: str, verdict: str, tags: Mapping[str, str]) -> None:
    """Add the gate's verdict to the run that made the candidate."""
    client = MlflowClient()
    client.log_text(run_id, verdict, "gate/verdict.json")
    tag_run(run_id, tags)
