"""How this process speaks to MLflow: prepared before MLflow is imported, its failures as one readable error."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from facesent.core.errors import TrackingError
from facesent.registry.credentials import move_credentials, without_credentials

if TYPE_CHECKING:
    from facesent.core.surroundings import Trouble

# MLflow's own default is the same file by its absolute path, percent-encoded: with a space in it, in another folder.
LOCAL_STORE = "sqlite:///mlflow.db"
# For the command mlflow, as people type it: its pages read the second one.
EXPORT_LOCAL_STORE = f"export MLFLOW_TRACKING_URI={LOCAL_STORE} MLFLOW_BACKEND_STORE_URI={LOCAL_STORE}"
_UNREACHED = "Unset MLFLOW_TRACKING_URI to use mlflow.db in this folder, or start the server that it names."
_REFUSED = "Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD to a user of that server who may do this."
_SETTINGS = {
    # No usage statistics leave the machine, and stages print lines of their own.
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    # Some 15 seconds before an absent server is told of, instead of four minutes.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
}


def prepare() -> None:
    """Set what MLflow reads when it is imported, where the user has not; for a process's entry point."""
    # Not above: with the code that serves a version comes what it imports.
    from facesent.core.surroundings import settle

    settle()
    os.environ["MLFLOW_TRACKING_URI"] = os.environ.get("MLFLOW_TRACKING_URI") or LOCAL_STORE
    move_credentials(os.environ)
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)


def named_store() -> str | None:
    """The value of MLFLOW_TRACKING_URI, if it is not that of ``prepare``."""
    address = os.environ.get("MLFLOW_TRACKING_URI")
    return None if address in (None, "", LOCAL_STORE) else address


def address_troubles() -> Iterator["Trouble"]:
    """What is wrong with MLFLOW_TRACKING_URI: MLflow takes HOST:PORT, and http with one slash, for a folder."""
    from facesent.core.surroundings import Trouble

    shown = without_credentials(named_store() or "")
    if re.match(r"https?:(?!//)", shown) or re.fullmatch(r"[\w.-]+:\d+(/.*)?", shown):
        host = re.sub(r"^https?:/*", "", shown)
        what = f"expected the form http://HOST:5000. Received: {shown}"
        advice = f"Set it: export MLFLOW_TRACKING_URI=http://{host}, or unset it to use mlflow.db in this folder"
        yield Trouble("MLFLOW_TRACKING_URI", what, advice)


@contextmanager
def mlflow_answers() -> Iterator[None]:
    """Turn what MLflow raises in a block, or in a function that this decorates, into a ``TrackingError``."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        said = without_credentials(str(error))
        # MLflow gives the status as a part of its text only.
        refused = any(f"error code {status}" in said for status in (401, 403))
        raise TrackingError(
            f"Expected MLflow's tracking store and registry to answer. Received: {said}\n"
            f"{_REFUSED if refused else _UNREACHED}"
        ) from (error if said == str(error) else None)
