"""MLflow's store where it is a server: whether it is new enough."""

import os
import re
from collections.abc import Iterator
from functools import cache

from facesent.core.trouble import Trouble

_SECONDS = 5
_OLDEST = 3
_VERSION = re.compile(r"(\d+)\.\d+\S*")


def server_troubles() -> Iterator[Trouble]:
    """Whether it is of an MLflow that could not keep a model, which would show after hours of training.

    A server that does not tell its version is left to what is asked next.
    """
    address = os.environ.get("MLFLOW_TRACKING_URI", "")
    told = _VERSION.fullmatch(_version(address)) if address.startswith(("http://", "https://")) else None
    if told and int(told[1]) < _OLDEST:
        what = f"expected MLflow {_OLDEST} or newer at {address}. Received: {told[0]}"
        yield Trouble("MLFLOW_TRACKING_URI", what, "Update that server, or unset it to use mlflow.db in this folder")


@cache
def _version(address: str) -> str:
    from mlflow.exceptions import MlflowException
    from mlflow.utils.credentials import get_default_host_creds
    from mlflow.utils.rest_utils import http_request

    try:
        credentials = get_default_host_creds(address)  # type: ignore[no-untyped-call]
        answer = http_request(credentials, "/version", "GET", max_retries=0, timeout=_SECONDS)  # type: ignore[no-untyped-call]
    except MlflowException:
        return ""
    return answer.text.strip() if answer.ok else ""
