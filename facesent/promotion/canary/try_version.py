"""A registered version behind the real server, before anyone depends on it."""

import math
from collections.abc import Sequence
from dataclasses import replace

import mlflow
import numpy as np
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from numpy.typing import NDArray

from facesent.promotion.canary.interview import Findings, Question, interview
from facesent.promotion.canary.report import CanaryReport
from facesent.registry import versions
from facesent.registry.client import mlflow_answers
from facesent.registry.versions import NAME, RegistryError
from facesent.serving.server import ServerError, served

TAG = "canary"


PASSED = "passed"


REPORT = "gate/canary.json"


_MEGA = 1e6


# What a run's or a version's tag holds with every store.
_TAG_CHARACTERS = 1000


@mlflow_answers()
def try_version(
    version: int, photos: Sequence[bytes], expected: NDArray[np.float32], labels: Sequence[str]
) -> CanaryReport:
    """Serve a version, ask it, stop it and write down what came of it.

    Args:
        version: the registered version.
        photos: the bytes of image files, at least one.
        expected: their probabilities by the training's code, ``(photos, labels)``.
        labels: the classes.

    Returns:
        The report, with a problem for whatever the server does wrong; also where it does not start.

    Raises:
        RegistryError: there is no such version.
        TrackingError: MLflow cannot be reached.
    """
    run_id = _run_of(version)
    size = _size_mb(version)
    report = replace(_try(version, Question(photos, expected, labels)), size_mb=size)
    versions.tag_version(version, {TAG: PASSED if report.passed else report.problems[0][:_TAG_CHARACTERS]})
    if run_id:
        MlflowClient().log_text(run_id, report.to_json(), REPORT)
    return report


@mlflow_answers()
def recorded(version: int) -> CanaryReport | None:
    """The report of an earlier trial of this version, if there is one that passed.

    Raises:
        RegistryError: there is no such version.
        TrackingError: MLflow cannot be reached.
    """
    run_id = _run_of(version)
    if MlflowClient().get_model_version(NAME, str(version)).tags.get(TAG) != PASSED:
        return None
    try:
        report = CanaryReport.from_json(mlflow.artifacts.load_text(f"runs:/{run_id}/{REPORT}"))
    except (MlflowException, OSError, ValueError):
        return None
    # Another version of the same run, with another min_confidence, may have been tried since.
    return replace(report, reused=True) if report.passed and report.version == version else None


def _try(version: int, question: Question) -> CanaryReport:
    findings, memory = Findings(), math.nan
    try:
        with served(versions.model_uri(version)) as server:
            findings = interview(server.port, question)
            memory = server.memory() / _MEGA
            if findings.broke_off and (why := server.why_it_ended()):
                findings.problems.append(f"Expected the server to go on. Received: {why}")
    except ServerError as error:
        findings.problems.append(str(error).partition("\n")[0])
    except OSError as error:
        findings.problems.append(f"Expected the server to start. Received: {error}")
    return CanaryReport(
        version=version,
        problems=tuple(findings.problems),
        answered=findings.answered,
        refused=findings.refused,
        largest_difference=findings.largest_difference,
        latency_p95_ms=findings.latency_p95_ms,
        size_mb=math.nan,
        memory_mb=math.nan if findings.broke_off else memory,
    )


def _run_of(version: int) -> str:
    try:
        return str(MlflowClient().get_model_version(NAME, str(version)).run_id or "")
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        raise RegistryError(f"Expected version {version} of {NAME}. Received: {error.message}") from None


def _size_mb(version: int) -> float:
    """Of all that a server fetches, weights, labels and code, by the listing of the store."""
    return _bytes_under(versions.model_uri(version)) / _MEGA


def _bytes_under(uri: str) -> int:
    entries = mlflow.artifacts.list_artifacts(artifact_uri=uri)
    return sum(
        _bytes_under(f"{uri}/{_name(entry.path)}") if entry.is_dir else entry.file_size or 0 for entry in entries
    )


def _name(path: str) -> str:
    return path.rpartition("/")[2]
