"""How this process speaks to MLflow: prepared before MLflow is imported, its failures as one readable error."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from facesent.core.errors import TrackingError
from facesent.registry.credentials import move_credentials, without_credentials

# What MLflow answers where a run, a model, a version or an alias is not there.
MISSING = {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}

_UNREACHED = "Unset MLFLOW_TRACKING_URI to use mlflow.db in this folder, or start the server that it names."
_REFUSED = "Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD to a user of that server who may do this."
_SETTINGS = {
    # No usage statistics leave the machine, and stages print lines of their own.
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    # Some 15 seconds before an absent server is told of, instead of four minutes.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
}


def prepare() -> None:
    """Set what MLflow reads when it is imported, where the user has not; for a process's entry point."""
    move_credentials(os.environ)
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    # Not by the served code, which imports this module too.
    from facesent.registry.addresses import make_relative

    make_relative()


@contextmanager
def mlflow_answers() -> Iterator[None]:
    """Turn what MLflow raises in a block, or in a function that this decorates, into a ``TrackingError``."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        said = without_credentials(str(error))
        # MLflow gives the status as a part of its text only.
        refused = any(f"error code {status}" in said for status in (401, 403))
        raise TrackingError(
            f"Expected MLflow's tracking store and registry to answer. Received: {said}\n"
            f"{_REFUSED if refused else _UNREACHED}"
        ) from (error if said == str(error) else None)
