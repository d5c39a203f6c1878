"""Credentials kept out of addresses, which MLflow prints, logs and puts into its errors."""

import re
from collections.abc import MutableMapping
from urllib.parse import unquote, urlsplit

_USER_AND_PASSWORD = re.compile(r"(?<=://)[^/\s]*@")


def move_credentials(environ: MutableMapping[str, str]) -> None:
    """Move user and password from MLFLOW_TRACKING_URI to the variables that MLflow has for them.

    Where both are set those of the address count, as they do for MLflow. A database's address keeps them: there is no
    other place for them.
    """
    parts = urlsplit(environ.get("MLFLOW_TRACKING_URI", ""))
    if parts.scheme not in ("http", "https") or "@" not in parts.netloc:
        return
    environ["MLFLOW_TRACKING_URI"] = without_credentials(parts.geturl())
    environ["MLFLOW_TRACKING_USERNAME"] = unquote(parts.username or "")
    environ["MLFLOW_TRACKING_PASSWORD"] = unquote(parts.password or "")


def without_credentials(text: str) -> str:
    """Leave user and password out of every address in ``text``."""
    return _USER_AND_PASSWORD.sub("", text)
