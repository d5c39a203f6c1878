"""Certificates by which servers are trusted: the variables that name files of them, and servers that are not."""

import os
from collections.abc import Iterator
from pathlib import Path

from facesent.core.trouble import Trouble

# Of these two and of MLflow's the first one that is set counts.
OF_REQUESTS = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
OF_MLFLOW = ("MLFLOW_TRACKING_SERVER_CERT_PATH", *OF_REQUESTS)
OF_PREFECT = ("PREFECT_API_SSL_CERT_FILE", "SSL_CERT_FILE")
_ALL = (*OF_PREFECT, "SSL_CERT_DIR", *OF_MLFLOW, "AWS_CA_BUNDLE")

_REFUSED = "certificate verify failed"
# What OpenSSL says of a server that answers a greeting of TLS with plain text.
_PLAIN = ("wrong_version_number", "record_layer_failure")


def troubles(names: tuple[str, ...] = _ALL) -> Iterator[Trouble]:
    """Which of these variables name no certificates: clients end without saying which variable, or which file."""
    for name in names:
        if (place := os.environ.get(name)) and (why := _unreadable(place)):
            what = f"expected certificates. Received: {place}: {why}"
            yield Trouble(name, what, "Correct it, or unset it")


def troubles_of_first(names: tuple[str, ...]) -> Iterator[Trouble]:
    """The same where only the first one that is set counts."""
    yield from troubles(tuple(name for name in names if os.environ.get(name))[:1])


def advice_for(said: str, variable: str) -> str:
    """What to do about a certificate that a client refused; empty where ``said`` tells of none.

    Args:
        said: by the client.
        variable: names the file by which it trusts servers.
    """
    said = said.lower()
    if any(sign in said for sign in _PLAIN):
        return "Begin its address with http://, as it answers without TLS."
    if _REFUSED not in said:
        return ""
    if "expired" in said or "not yet valid" in said:
        return "Renew the server's certificate, or set the clock of this machine."
    if "mismatch" in said:
        return "Name the server as its certificate does."
    return f"Set {variable} to the file with the certificate of the authority that signed the server's."


def _unreadable(place: str) -> str:
    import ssl

    try:
        if not Path(place).is_dir():
            ssl.create_default_context(cafile=place)
    except ssl.SSLError:
        return "not in PEM form"
    except OSError as error:
        return str(error.strerror)
    return ""
