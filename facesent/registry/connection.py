"""MLflow's failures as one readable error."""

from collections.abc import Iterator
from contextlib import contextmanager

from mlflow.exceptions import MlflowException

from facesent.errors import TrackingError


@contextmanager
def mlflow_answers() -> Iterator[None]:
    """Turn what MLflow raises in a block, or in a function that this decorates, into a ``TrackingError``."""
    try:
        yield
    except MlflowException as error:
        raise TrackingError(
            f"Expected MLflow's tracking store and registry to answer. Received: {error}\n"
            "Unset MLFLOW_TRACKING_URI to use mlflow.db in this folder, or start the server that it names."
        ) from error
