"""Addresses of MLflow's pages, where a server shows them."""

from urllib.parse import quote

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from facesent.registry.credentials import without_credentials
from facesent.registry.versions import NAME


def run_page(run_id: str, artifact: str = "") -> str:
    """The page of a run, or of one of its artifacts; empty where the store is no server, or does not answer now."""
    server = _server()
    try:
        experiment = MlflowClient().get_run(run_id).info.experiment_id if server else ""
    except MlflowException:
        # A link is not worth failing for.
        return ""
    page = f"{server}/#/experiments/{experiment}/runs/{run_id}"
    return (f"{page}/artifacts/{quote(artifact)}" if artifact else page) if server else ""


def version_page(version: int) -> str:
    """The page of a version of the registered model; empty where the registry is no server."""
    server = _server()
    return f"{server}/#/models/{quote(NAME)}/versions/{version}" if server else ""


def _server() -> str:
    address = without_credentials(mlflow.get_tracking_uri()).rstrip("/")
    return address if address.startswith(("http://", "https://")) else ""
