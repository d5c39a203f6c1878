"""Prefect's server, asked without Prefect."""

import json
import os
from base64 import b64encode
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import version

from facesent.core import certificates
from facesent.core.paths import Project
from facesent.doctor import prefect_home
from facesent.doctor.answers import NoAnswerError, answer_of, checked_by
from facesent.doctor.finding import Finding, problem
from facesent.registry.credentials import without_credentials

_SUBJECT = "Prefect"
_CLOUD = "https://api.prefect.cloud/"
_START, _OR_NONE = "start it with `prefect server start`", "or unset PREFECT_API_URL"
_USER = "set PREFECT_API_KEY (Prefect Cloud) or PREFECT_API_AUTH_STRING (a server of your own)"
_INSECURE = "PREFECT_API_TLS_INSECURE_SKIP_VERIFY"


def finding(project: Project) -> Finding:
    """Whether it answers those who run flows here."""
    address = os.environ.get("PREFECT_API_URL")
    for trouble in prefect_home.address_troubles(address) if address else prefect_home.troubles(project.root):
        return problem(trouble)
    if not address:
        return Finding(_SUBJECT, "ok", "PREFECT_API_URL is not set: flows start a temporary server")
    shown = without_credentials(address)
    try:
        _ask(address.rstrip("/"))
    except NoAnswerError as error:
        return Finding(_SUBJECT, "problem", f"{shown}: {error}", error.advice or f"{_START}, {_OR_NONE}")
    return Finding(_SUBJECT, "ok", shown)


def _ask(address: str) -> None:
    # Of its health a server tells everybody. The Cloud, which fits any client, tells no version.
    cloud = address.startswith(_CLOUD)
    certificate, verify = certificates.OF_PREFECT[0], checked_by(_INSECURE, *certificates.OF_PREFECT)
    answer = answer_of(
        f"{address}/{'health' if cloud else 'admin/version'}", certificate, verify=verify, headers=_headers()
    )
    if answer.status_code in {401, 403}:
        raise NoAnswerError(f"it refuses you with status {answer.status_code}", _USER)
    if not answer.ok:
        raise NoAnswerError(f"status {answer.status_code}")
    if cloud:
        return
    try:
        server, client = str(answer.json()), version("prefect")
    except ValueError:
        raise NoAnswerError("something else than Prefect answers", f"correct PREFECT_API_URL, {_OR_NONE}") from None
    expected = client.partition(".")[0]
    if server.partition(".")[0] != expected:
        what = f"expected a server of Prefect {expected}. Received: {server}"
        raise NoAnswerError(what, f"update that server to {client}, {_OR_NONE}")


def _headers() -> Mapping[str, str]:
    """By which Prefect's client shows who it is."""
    headers: dict[str, str] = {}
    with suppress(ValueError, TypeError):
        headers.update(json.loads(os.environ.get("PREFECT_CLIENT_CUSTOM_HEADERS") or "{}"))
    if secret := os.environ.get("PREFECT_API_AUTH_STRING"):
        headers["Authorization"] = f"Basic {b64encode(secret.encode()).decode()}"
    elif key := os.environ.get("PREFECT_API_KEY"):
        headers["Authorization"] = f"Bearer {key}"
    return headers
