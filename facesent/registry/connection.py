"""MLflow's failures as one readable error."""

from collections.abc import Iterator
from contextlib import contextmanager

from mlflow.exceptions import MlflowException

from facesent.errors import TrackingError
from facesent.registry.credentials import without_credentials

_UNREACHED = "Unset MLFLOW_TRACKING_URI to use mlflow.db in this folder, or start the server that it names."
_REFUSED = "Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD to a user of that server who may do this."


@contextmanager
def mlflow_answers() -> Iterator[None]:
    """Turn what MLflow raises in a block, or in a function that this decorates, into a ``TrackingError``."""
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
