"""What keeps Prefect's server from working with a flow, in one line with what to do."""

import re

from prefect.exceptions import PrefectHTTPStatusError

from facesent.core import certificates
from facesent.doctor import prefect_home
from facesent.registry.credentials import without_credentials

_NOT_REACHED = "Failed to reach API"
_VERSIONS = re.compile(r"incompatible versions: client: (\S+), server: (\S+?)\.?\s")
_USER = "Set PREFECT_API_KEY (Prefect Cloud) or PREFECT_API_AUTH_STRING (a server of your own) to what lets you in."


def of_prefect(error: BaseException) -> str | None:
    """What became of Prefect's server, and what to do; None for another error."""
    said = without_credentials(str(error))
    if found := _VERSIONS.search(said):
        client, server = found.groups()
        expected = f"Expected a server of Prefect {client.partition('.')[0]}. Received: {server}"
        return f"{expected}. Update that server to {client}, {_or_none()}"
    reached = _NOT_REACHED not in said
    cause = error if reached else error.__cause__
    if isinstance(cause, PrefectHTTPStatusError):
        return _of_status(cause, reached)
    if reached:
        return None
    why = without_credentials(str(cause)) if cause else ""
    if isinstance(cause, ValueError):
        return f"{said}, which gives something else. Set it to Prefect's API, {_or_none()}"
    advice = certificates.advice_for(why, "PREFECT_API_SSL_CERT_FILE")
    return f"{said}{f': {why}' if advice else ''}. {advice or f'Start it with `prefect server start`, {_or_none()}'}"


def _or_none() -> str:
    return f"or {prefect_home.without_server()} to run without a server."


def _of_status(error: PrefectHTTPStatusError, reached: bool) -> str:
    status = error.response.status_code
    received = f"{status} {error.response.reason_phrase} from {without_credentials(str(error.request.url))}"
    if status in {401, 403}:
        return f"Expected Prefect's server to let the flow in. Received: {received}. {_USER}"
    if not reached:
        advice = f"Start Prefect's server there, {_or_none()}"
    elif status >= 500:
        advice = "Free space if its disk is full, then run it again."
    else:
        advice = "See the log of that server."
    return f"Expected Prefect's server to keep the state of the run. Received: {received}. {advice}"
