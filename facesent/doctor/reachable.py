"""The servers and stores that the project talks to."""

import os
from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any

from facesent.core import certificates, object_storage
from facesent.core.environment import unusable_proxies
from facesent.core.errors import FacesentError
from facesent.core.paths import Project
from facesent.doctor import prefect_server, storage
from facesent.doctor.answers import NoAnswerError, answer_of, checked_by
from facesent.doctor.finding import Finding, problem
from facesent.registry.addresses import sqlite_file
from facesent.registry.client import address_troubles, named_store
from facesent.registry.credentials import without_credentials
from facesent.registry.store import file_troubles
from facesent.registry.tracking_server import server_troubles

if TYPE_CHECKING:
    from requests import Response

_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


def findings(project: Project) -> Iterator[Finding]:
    """Ask MLflow's store, its registry and Prefect's API."""
    tracking = _tracking(project)
    yield tracking
    if tracking.state == "ok":
        yield _champion()
        yield from _artifacts()
    yield prefect_server.finding(project)
    yield from _proxies()
    yield from map(problem, certificates.troubles())


def _tracking(project: Project) -> Finding:
    for trouble in chain(address_troubles(), file_troubles(), server_troubles()):
        return problem(trouble)
    address = named_store()
    if not address and not (project.root / "mlflow.db").is_file():
        return Finding("MLflow", "note", "no mlflow.db yet", "the first training writes it: python -m flows.pipeline")
    shown = without_credentials(address) if address else "mlflow.db in this folder"
    file = sqlite_file()
    if file and file.exists() and not os.access(file, os.W_OK):
        return Finding(
            "MLflow", "problem", f"{shown}: read-only", "give yourself write permission for it and its folder"
        )
    if address and address.startswith("http"):
        try:
            _ask_mlflow(address.rstrip("/"))
        except NoAnswerError as error:
            advice = "start the server that MLFLOW_TRACKING_URI names, or unset it to use mlflow.db in this folder"
            return Finding("MLflow", "problem", f"{shown}: {error}", error.advice or advice)
    return Finding("MLflow", "ok", shown)


def _ask_mlflow(address: str) -> None:
    answer = answer_of(f"{address}/health", certificates.OF_MLFLOW[0], verify=_of_mlflow())
    # Servers that ask who is there are there.
    if not answer.ok and answer.status_code not in {401, 403}:
        raise NoAnswerError(f"status {answer.status_code}")


def _champion() -> Finding:
    try:
        from facesent.registry.runs import check_experiment
        from facesent.registry.versions import CHAMPION, all_versions

        check_experiment()
        known = all_versions()
    except FacesentError as error:
        # That module takes as long to import as MLflow.
        from facesent.registry.troubles import SEE_DOCTOR

        return Finding("registry", "problem", str(error).removesuffix(SEE_DOCTOR).rstrip())
    champion = next((version for version in known if CHAMPION in version.aliases), None)
    count = f"{len(known)} version{'' if len(known) == 1 else 's'}"
    if champion is None:
        return Finding("registry", "note", f"{count}, no champion", "dvc repro && facesent promote")
    what = f"{count}; champion: version {champion.number}"
    if why := champion.retrain_reason:
        return Finding("registry", "note", f"{what}, which {why.partition(':')[0]}", "dvc repro && facesent promote")
    return Finding("registry", "ok", what)


def _artifacts() -> Iterator[Finding]:
    """Where they are not on this machine."""
    subject = "artifacts"
    try:
        from facesent.registry.runs import artifact_location

        location = artifact_location()
    except FacesentError:
        # Which the registry's finding tells.
        return
    if location.startswith(object_storage.SCHEME):
        yield _in_bucket(subject, location)
    elif location.startswith("mlflow-artifacts:"):
        yield _behind_server(subject)


def _in_bucket(subject: str, address: str) -> Finding:
    endpoint: dict[str, Any] = {"endpoint_url": os.environ.get("MLFLOW_S3_ENDPOINT_URL") or None}
    if os.environ.get("MLFLOW_S3_IGNORE_TLS", "").lower() in ("true", "1"):
        endpoint["verify"] = False
    return storage.bucket(subject, address, lambda: storage.client_of({}, endpoint))


def _behind_server(subject: str) -> Finding:
    """The server lists what its own store has: with its credentials, not with those of this machine."""
    server = (named_store() or "").rstrip("/")
    user = os.environ.get("MLFLOW_TRACKING_USERNAME")
    try:
        answer = answer_of(
            f"{server}/api/2.0/mlflow-artifacts/artifacts?path=",
            certificates.OF_MLFLOW[0],
            verify=_of_mlflow(),
            user=(user, os.environ.get("MLFLOW_TRACKING_PASSWORD", "")) if user else None,
        )
    except NoAnswerError as error:
        return Finding(subject, "problem", f"{server}: {error}", error.advice or "see the log of that server")
    if answer.ok or answer.status_code in {401, 403}:
        return Finding(subject, "ok", f"the server keeps them: {server}")
    said = without_credentials(_message(answer))
    advice = object_storage.advice_for(said)
    return Finding(subject, "problem", f"{server}: {said}", f"on that server: {advice}" if advice else "see its log")


def _message(answer: "Response") -> str:
    try:
        return str(answer.json()["message"])
    except (ValueError, KeyError, TypeError):
        return f"status {answer.status_code}"


def _proxies() -> Iterator[Finding]:
    named = [name for each in _PROXIES for name in (each, each.lower()) if os.environ.get(name)]
    unusable = unusable_proxies()
    for name, advice in unusable.items():
        yield Finding("proxy", "note", f"{name} names a proxy that can't be used; flows ignore it", advice)
    if named and not unusable:
        yield Finding("proxy", "ok", f"{', '.join(named)}; services on this machine are reached without it")


def _of_mlflow() -> bool | str:
    return checked_by("MLFLOW_TRACKING_INSECURE_TLS", certificates.OF_MLFLOW[0])
