"""Addresses of MLflow's pages: of the server that keeps the runs, or of ``mlflow ui`` on this machine."""

from shlex import quote as shell_quoted
from urllib.parse import quote

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from facesent.registry.client import named_store
from facesent.registry.credentials import without_credentials
from facesent.registry.versions import NAME

_UI = "http://127.0.0.1:5000"


def opened_by() -> str:
    """The command that has to run before the pages open; empty where a server shows them."""
    if _is_server():
        return ""
    # Its pages do not read MLFLOW_TRACKING_URI.
    named = named_store()
    return f"mlflow ui --backend-store-uri {shell_quoted(without_credentials(named))}" if named else "mlflow ui"


def run_page(run_id: str, artifact: str = "") -> str:
    """The page of a run, or of one of its artifacts; empty where MLflow does not know the run or does not answer."""
    try:
        experiment = MlflowClient().get_run(run_id).info.experiment_id
    except MlflowException:
        # A link is not worth failing for.
        return ""
    page = f"{_server()}/#/experiments/{experiment}/runs/{run_id}"
    return f"{page}/artifacts/{quote(artifact)}" if artifact else page


def version_page(version: int) -> str:
    """The page of a version of the registered model."""
    return f"{_server()}/#/models/{quote(NAME)}/versions/{version}"


def _is_server() -> bool:
    return bool(mlflow.get_tracking_uri().startswith(("http://", "https://")))


def _server() -> str:
    return without_credentials(mlflow.get_tracking_uri()).rstrip("/") if _is_server() else _UI
