"""How this process speaks to MLflow: prepared before MLflow is imported, its failures as one readable error."""

import logging
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from itertools import chain
from pathlib import Path
from typing import ParamSpec, TypeVar
from urllib.parse import quote

from facesent.core import certificates, object_storage
from facesent.core.environment import prepare_process
from facesent.core.errors import TrackingError
from facesent.core.trouble import Trouble, refuse
from facesent.registry.address_forms import form_troubles, port_troubles
from facesent.registry.addresses import LOCAL_STORE, check_folder, make_relative
from facesent.registry.credentials import encoding_troubles, move_credentials, without_credentials
from facesent.registry.postgres import check_reachable, driver_troubles, name_driver, other_driver_troubles
from facesent.registry.store import create_store, file_troubles
from facesent.registry.tracking_server import server_troubles

# MLflow's codes for what is not there.
_MISSING = {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}

# What SQLite, PostgreSQL and MySQL say of a row that somebody else wrote first.
_TAKEN = re.compile(r"UNIQUE constraint|UniqueViolation|Duplicate entry")
# Characters that a tag of a run or a version holds with every store.
_LONGEST_TAG = 1000

_P = ParamSpec("_P")
_T = TypeVar("_T")

# For the command mlflow, as people type it: its pages read the second one.
EXPORT_LOCAL_STORE = f"export MLFLOW_TRACKING_URI={LOCAL_STORE} MLFLOW_BACKEND_STORE_URI={LOCAL_STORE}"
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
    prepare_process()
    os.environ["MLFLOW_TRACKING_URI"] = os.environ.get("MLFLOW_TRACKING_URI") or LOCAL_STORE
    move_credentials(os.environ)
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    # They would print a traceback of each error, and a line of each try; what comes of all of them is told.
    for name in ("mlflow.store.db.utils", "urllib3.connectionpool"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    name_driver(os.environ)
    make_relative()


def named_store() -> str | None:
    """The value of MLFLOW_TRACKING_URI, if it is not that of ``prepare``."""
    address = os.environ.get("MLFLOW_TRACKING_URI")
    return None if address in (None, "", LOCAL_STORE) else address


def encoded_letters(folder: Path) -> list[str]:
    """Letters of a folder's path for which the command ``mlflow``, left to its default, looks in another folder."""
    return [letter for letter in dict.fromkeys(str(folder.absolute())) if quote(letter) != letter]


def address_troubles() -> Iterator[Trouble]:
    """What is wrong with MLFLOW_TRACKING_URI.

    And what is wrong with the certificates by which it trusts a server, and with a registry elsewhere.
    """
    address = named_store() or ""
    yield from encoding_troubles("MLFLOW_TRACKING_URI", address)
    yield from port_troubles("MLFLOW_TRACKING_URI", address)
    shown = without_credentials(address)
    yield from form_troubles(address, shown)
    yield from driver_troubles(shown)
    yield from other_driver_troubles(shown)
    yield from _certificate_troubles(shown)
    yield from _registry_troubles()


def _certificate_troubles(address: str) -> Iterator[Trouble]:
    if address.startswith("https:") and os.environ.get("MLFLOW_TRACKING_INSECURE_TLS", "").lower() not in ("true", "1"):
        yield from certificates.troubles_of_first(certificates.OF_MLFLOW)


def _registry_troubles() -> Iterator[Trouble]:
    """Versions would go elsewhere than the runs that they are of, and be looked for there."""
    registry = os.environ.get("MLFLOW_REGISTRY_URI")
    if registry and registry != (named_store() or LOCAL_STORE):
        what = f"expected the registry where the runs are. Received: {without_credentials(registry)}"
        yield Trouble("MLFLOW_REGISTRY_URI", what, "Unset it; MLFLOW_TRACKING_URI alone says where both are")


@contextmanager
def mlflow_answers(*, makes_store: bool = True) -> Iterator[None]:
    """Turn what MLflow raises in a block, or in a function that this decorates, into a ``TrackingError``.

    Args:
        makes_store: whether there may be no database yet, and MLflow would make one; not where one only looks.
    """
    from mlflow.exceptions import MlflowException
    from requests import RequestException
    from sqlalchemy.exc import SQLAlchemyError

    check_folder()
    refuse(chain(file_troubles(), server_troubles()), TrackingError)
    try:
        check_reachable()
        if makes_store:
            create_store()
        yield
    # MLflow lets errors of its database, of uploads and of an object storage through as they are.
    except Exception as error:
        is_own = isinstance(error, MlflowException | SQLAlchemyError | RequestException) or object_storage.is_own(error)
        # A database's driver that is not installed, or a port that is no number.
        if not is_own and not (isinstance(error, ModuleNotFoundError | ValueError) and any(address_troubles())):
            raise
        # That module imports this one.
        from facesent.registry.troubles import message_of

        hidden = not is_own or without_credentials(str(error)) != str(error)
        raise TrackingError(message_of(error)) from (None if hidden else error)


def none_if_missing(ask: Callable[[], _T]) -> _T | None:
    """What MLflow answers; None where the run, the model, the version or the alias that is asked for is not there."""
    from mlflow.exceptions import MlflowException

    try:
        return ask()
    except MlflowException as error:
        if error.error_code in _MISSING:
            return None
        raise


def fitting_tag(text: str) -> str:
    """The text, or as much of it as every store takes in a tag."""
    return text if len(text) <= _LONGEST_TAG else f"{text[: _LONGEST_TAG - 2]} …"


def repeated_when_taken(write: Callable[_P, _T]) -> Callable[_P, _T]:
    """Let a write of an alias or a tag be done again where another process wrote the same row at the same moment.

    MLflow looks for the row before it writes it, and of two that found none the second fails. When it looks again, it
    finds what the first wrote.
    """

    @wraps(write)
    def until_written(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        from mlflow.exceptions import MlflowException

        try:
            return write(*args, **kwargs)
        except MlflowException as error:
            if not _TAKEN.search(str(error)):
                raise
        return write(*args, **kwargs)

    return until_written
