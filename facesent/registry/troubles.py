"""What keeps MLflow from answering, in one line: which store, what it said, and what to do."""

import os
import re
from pathlib import Path
from textwrap import shorten

from facesent.core import certificates, object_storage
from facesent.core.errors import TrackingError
from facesent.registry.addresses import DATABASE, LOCAL_STORE, sqlite_file
from facesent.registry.client import address_troubles, named_store
from facesent.registry.credentials import without_credentials

_LONGEST = 400
# Where nothing better is known; the doctor itself leaves it out.
SEE_DOCTOR = "See: facesent doctor"
_SCHEMA = re.compile(r"database schema \(found version (\w+)")
_DELETED_EXPERIMENT = re.compile(r"The experiment (\d+) must be in the 'active' state")
_REFUSED = re.compile(r"""\(Caused by \w+\(["']?(?:\w+\([^)]*\): |\w+\(\d+, ["'])?(.*?)["']?\)\)""")
# What any other server, or a proxy before this one, gives.
_PAGE = re.compile(
    r"(?:failed with error code (\d+) .*)?Response body: '\s*<(?:!doctype|html)", re.IGNORECASE | re.DOTALL
)
_AGAIN = "then run this again."
_DATABASE = re.compile(r'database "([^"]+)" does not exist')
_NO_ROOM = f"Free space on its disk (mlflow gc and dvc gc --all-commits remove old data), {_AGAIN}"
_BROKEN = "Restore a backup, or remove it to start with an empty one."
_TOO_LARGE = f"Let the proxy in front of that server accept larger requests, {_AGAIN}"
_USER = "Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD to a user of that server with the necessary rights."

# What the text of an error has, in small letters, and what to do. MLflow gives a server's status as text only.
_ADVICE = {
    "database is locked": f"Close the program that has it open (a database browser, a backup), {_AGAIN}",
    "readonly database": f"Give yourself write permission for it and its folder, {_AGAIN}",
    "unable to open database file": f"Give yourself permission to read it and to write its folder, {_AGAIN}",
    "disk is full": _NO_ROOM,
    "no space left": _NO_ROOM,
    "disk i/o error": f"Check whether its disk is full or broken, {_AGAIN}",
    "file is not a database": _BROKEN,
    "malformed": _BROKEN,
    "invalid host header": "Start that server with this host in its --allowed-hosts.",
    "413 client error": _TOO_LARGE,
    "error code 413": _TOO_LARGE,
    "too many 500 error responses": "See the log of that server: perhaps it cannot write where it keeps artifacts.",
    "error code 401": _USER,
    "error code 403": _USER,
    "file too large": f"Allow this process larger files (ulimit -f), {_AGAIN}",
    "password": "Give the user's password in PGPASSWORD or ~/.pgpass, or in MLFLOW_TRACKING_URI.",
    "not an answer from mlflow": (
        f"Set MLFLOW_TRACKING_URI to the address of MLflow's server, or unset it to use {DATABASE}."
    ),
}
# In small letters too.
_NOT_OF_A_MODEL = (
    "api request to", "disk is full", "disk i/o error", "input/output error", "no space left", "file too large",
    "database is locked",
)  # fmt: skip


def message_of(error: Exception) -> str:
    """The whole line, without credentials."""
    for trouble in address_troubles():
        return str(trouble)
    said = without_credentials(object_storage.in_words(error)).strip()
    if page := _PAGE.search(said):
        said = f"a web page{f' with error code {page[1]}' if page[1] else ''}, which is not an answer from MLflow"
    # An absent server is told of with the whole address and each layer's error, of which the last one says why.
    if refused := _REFUSED.search(said):
        said = f"connection: {refused[1]}"
    # SQLAlchemy adds its statement and a link.
    first = re.sub(r"^\([\w.]+\) |\[SQL: .*|\(Background on this error .*", "", said, flags=re.DOTALL)
    # MLflow's advice is to upgrade, whichever of the two is newer.
    schema = _SCHEMA.search(said)
    received = f"tables of revision {schema[1]}" if schema else shorten(first, _LONGEST, placeholder=" …").rstrip(".")
    if object_storage.is_own(error) or object_storage.SCHEME in said:
        return f"Expected the object storage of MLflow's artifacts to answer. Received: {received}. {_advice(said)}"
    return f"Expected MLflow's store, {_store()}, to answer. Received: {received}. {_advice(said)}"


def of_server(said: str) -> TrackingError | None:
    """The error for what a server of a model says at its end, where that tells of a store or of a full disk.

    Nothing is then known of the model.
    """
    if not is_of_store(said):
        return None
    first = re.sub(r"[\w.]+: (API request to \S+ failed).*", r"\1", said.partition("\n")[0], flags=re.IGNORECASE)
    return TrackingError(f"{first.rstrip('.')}. {_advice(said)}")


def is_of_store(said: str) -> bool:
    """Whether an error tells of a store that is away or refuses, or of a full disk, and so of no model."""
    return any(sign in said.lower() for sign in _NOT_OF_A_MODEL) or bool(object_storage.advice_for(said))


def _store() -> str:
    address = named_store()
    return f"{without_credentials(address)} (MLFLOW_TRACKING_URI)" if address else f"{DATABASE} in this folder"


def _advice(said: str) -> str:
    if match := _SCHEMA.search(said):
        return about_schema(match[1])
    if match := _DELETED_EXPERIMENT.search(said):
        return f"It was deleted. Restore it: {_with_store()}mlflow experiments restore --experiment-id {match[1]}"
    if match := _DATABASE.search(said):
        return f"Make it, with rights to create databases: createdb {match[1]}"
    # Those of an object storage and of a database have variables of their own.
    variable = certificates.OF_MLFLOW[0] if (named_store() or "").startswith("http") else "PGSSLROOTCERT"
    if advice := object_storage.certificate_advice(said) or certificates.advice_for(said, variable):
        return advice
    if advice := next((advice for sign, advice in _ADVICE.items() if sign in said.lower()), ""):
        return advice
    if advice := object_storage.advice_for(said):
        return advice
    if named_store() and "connect" in said.lower():
        return f"Start the server that MLFLOW_TRACKING_URI names, or unset it: then {DATABASE} in this folder is used."
    return SEE_DOCTOR


def about_schema(found: str) -> str:
    """What to do about tables of another MLflow, told by their revision."""
    from mlflow.store import db_migrations
    from mlflow.version import VERSION

    known = any((Path(next(iter(db_migrations.__path__))) / "versions").glob(f"{found}_*.py"))
    if not known:
        return f"It was written by a newer MLflow than {VERSION}. Use that version, or restore a backup."
    address = os.environ.get("MLFLOW_TRACKING_URI") or LOCAL_STORE
    copy = f"cp {file} {file}.bak && " if (file := sqlite_file()) else ""
    return f"It was written by an older MLflow. Upgrade it: {copy}mlflow db upgrade {without_credentials(address)}"


def _with_store() -> str:
    return "" if named_store() else f"MLFLOW_TRACKING_URI={LOCAL_STORE} "
