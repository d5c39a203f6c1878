"""Prefect's server, asked without Prefect."""

import json
from base64 import b64encode
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import version
from itertools import chain

from facesent.core import certificates
from facesent.core.paths import Project
from facesent.doctor import prefect_home
from facesent.doctor.answers import NoAnswerError, answer_of
from facesent.doctor.finding import Finding, problem
from facesent.doctor.prefect_settings import SettingsError, settings
from facesent.registry.credentials import without_credentials

_SUBJECT = "Prefect"
_CLOUD = "https://api.prefect.cloud/"
_START = "start it with `prefect server start`"
_USER = "set PREFECT_API_KEY (Prefect Cloud) or PREFECT_API_AUTH_STRING (a server of your own)"


def finding(project: Project) -> Finding:
    """Whether it answers those who run flows here."""
    try:
        given = settings(project.root)
    except SettingsError as error:
        return problem(error.trouble)
    address = given.get("PREFECT_API_URL")
    of_server = prefect_home.address_troubles(address) if address else prefect_home.troubles(project.root, given)
    for trouble in chain(prefect_home.profile_troubles(project.root, given), of_server):
        return problem(trouble)
    if not address:
        return Finding(_SUBJECT, "ok", "PREFECT_API_URL is not set: flows start a temporary server")
    shown = without_credentials(address)
    try:
        _ask(address.rstrip("/"), given)
    except NoAnswerError as error:
        return Finding(_SUBJECT, "problem", f"{shown}: {error}", error.advice or f"{_START}, {_or_none()}")
    return Finding(_SUBJECT, "ok", shown)


def _or_none() -> str:
    return f"or {prefect_home.without_server()}"


def _ask(address: str, given: Mapping[str, str]) -> None:
    # Of its health a server tells everybody. The Cloud, which fits any client, tells no version.
    cloud = address.startswith(_CLOUD)
    certificate, page = certificates.OF_PREFECT[0], "health" if cloud else "admin/version"
    insecure = given["PREFECT_API_TLS_INSECURE_SKIP_VERIFY"].lower() == "true"
    verify = not insecure and given.get(certificate, True)
    answer = answer_of(f"{address}/{page}", certificate, verify=verify, headers=_headers(given))
    if answer.status_code in {401, 403}:
        raise NoAnswerError(f"it refuses you with status {answer.status_code}", _USER)
    if not answer.ok:
        raise NoAnswerError(f"status {answer.status_code}")
    if cloud:
        return
    try:
        server, client = str(answer.json()), version("prefect")
    except ValueError:
        raise NoAnswerError("something else than Prefect answers", f"correct PREFECT_API_URL, {_or_none()}") from None
    expected = client.partition(".")[0]
    if server.partition(".")[0] != expected:
        what = f"expected a server of Prefect {expected}. Received: {server}"
        raise NoAnswerError(what, f"update that server to {client}, {_or_none()}")


def _headers(given: Mapping[str, str]) -> Mapping[str, str]:
    """By which Prefect's client shows who it is."""
    headers: dict[str, str] = {}
    with suppress(ValueError, TypeError):
        headers.update(json.loads(given.get("PREFECT_CLIENT_CUSTOM_HEADERS") or "{}"))
    if secret := given.get("PREFECT_API_AUTH_STRING"):
        headers["Authorization"] = f"Basic {b64encode(secret.encode()).decode()}"
    elif key := given.get("PREFECT_API_KEY"):
        headers["Authorization"] = f"Bearer {key}"
    return headers
