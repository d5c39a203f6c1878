"""The servers and stores that the project talks to."""

import os
from collections.abc import Iterator

from facesent.core.errors import FacesentError
from facesent.core.paths import Project
from facesent.doctor.finding import Finding
from facesent.registry.addresses import sqlite_file
from facesent.registry.credentials import without_credentials

_SECONDS = 5


def findings(project: Project) -> Iterator[Finding]:
    """Ask MLflow's store, its registry and Prefect's API."""
    tracking = _tracking(project)
    yield tracking
    if tracking.state == "ok":
        yield _champion()
    yield _prefect()


def _tracking(project: Project) -> Finding:
    address = os.environ.get("MLFLOW_TRACKING_URI")
    if not address and not (project.root / "mlflow.db").is_file():
        return Finding("MLflow", "note", "no mlflow.db yet", "the first training writes it: python -m flows.pipeline")
    shown = without_credentials(address) if address else "mlflow.db in this folder"
    if address and "://" not in address:
        advice = "set MLFLOW_TRACKING_URI to http://HOST:PORT or sqlite:///mlflow.db, or unset it"
        return Finding("MLflow", "problem", f"{shown}: expected an address with a scheme", advice)
    file = sqlite_file()
    if file and file.exists() and not os.access(file, os.W_OK):
        return Finding("MLflow", "problem", f"{shown}: read-only", "give yourself the right to write it and its folder")
    if address and address.startswith("http") and (problem := _refused(address.rstrip("/") + "/health")):
        advice = "start the server that MLFLOW_TRACKING_URI names, or unset it to use mlflow.db in this folder"
        return Finding("MLflow", "problem", f"{shown}: {problem}", advice)
    return Finding("MLflow", "ok", shown)


def _champion() -> Finding:
    try:
        from facesent.registry.runs import check_experiment
        from facesent.registry.versions import CHAMPION, versions

        check_experiment()
        known = versions()
    except FacesentError as error:
        return Finding("registry", "problem", str(error))
    champion = next((version.number for version in known if CHAMPION in version.aliases), None)
    count = f"{len(known)} version{'' if len(known) == 1 else 's'}"
    if champion is None:
        return Finding("registry", "note", f"{count}, no champion", "dvc repro && facesent promote")
    return Finding("registry", "ok", f"{count}; champion: version {champion}")


def _prefect() -> Finding:
    address = os.environ.get("PREFECT_API_URL")
    if not address:
        what = "PREFECT_API_URL is not set: flows start a temporary server"
        return Finding("Prefect", "ok", what)
    if problem := _refused(address.rstrip("/") + "/health"):
        advice = "start it with `prefect server start`, or unset PREFECT_API_URL"
        return Finding("Prefect", "problem", f"{without_credentials(address)}: {problem}", advice)
    return Finding("Prefect", "ok", without_credentials(address))


def _refused(address: str) -> str:
    """Why an address does not answer; empty where it does."""
    import requests

    try:
        answer = requests.get(address, timeout=_SECONDS)
    except requests.RequestException as error:
        # Its text may repeat the address with the password.
        return type(error).__name__
    # Servers that ask who is there are there.
    return "" if answer.ok or answer.status_code in {401, 403} else f"status {answer.status_code}"
