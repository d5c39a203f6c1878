"""Where a project keeps what it keeps in databases."""

import os
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from facesent.core.errors import FacesentError
from facesent.core.trouble import Trouble
from facesent.registry.address_forms import port_troubles
from facesent.registry.addresses import LOCAL_STORE, sqlite_file
from facesent.registry.credentials import encoding_troubles, without_credentials, without_password_in_query
from facesent.registry.postgres import driver_troubles, with_driver
from facesent.serving.gateway.answers.store import address as address_of_answers

Addresses = Mapping[str, str]
"""What to SQLAlchemy's address of it: of ``MLFLOW`` and ``ANSWERS`` those that there are."""

MLFLOW, ANSWERS = "MLflow's store", "the log of answers"


class AddressError(FacesentError):
    """It names no database that can be read or written here."""


def configured() -> Addresses:
    """Those of ``named`` that are there: a file of SQLite may not have been made yet.

    Raises:
        AddressError: there are none, or MLflow's is behind a server.
    """
    found = {
        what: address for what, address in named().items() if (file := sqlite_file(address)) is None or file.is_file()
    }
    if not found:
        raise AddressError("Expected mlflow.db or answers.db in this folder. Received: neither.")
    return found


def named() -> Addresses:
    """This project's, as the environment says.

    Raises:
        AddressError: MLflow's is behind a server.
    """
    mlflow = os.environ.get("MLFLOW_TRACKING_URI") or LOCAL_STORE
    if mlflow.startswith("http"):
        raise AddressError(
            f"Expected the database of MLflow's store in MLFLOW_TRACKING_URI. Received: {shown(mlflow)}, a server. Run "
            "it where that server runs, with what it has as --backend-store-uri."
        )
    return {MLFLOW: with_driver(mlflow), ANSWERS: with_driver(address_of_answers())}


def at(target: str) -> Addresses:
    """Those that a person names: a PostgreSQL database for both, or a file of SQLite with ``answers.db`` beside it.

    Raises:
        AddressError: it is no such address.
    """
    address = with_driver(target)
    for trouble in chain(_unclear(target), driver_troubles(address)):
        raise AddressError(f"{trouble.what[0].upper()}{trouble.what[1:]}. {trouble.advice}")
    try:
        url = make_url(address)
    except (ArgumentError, ValueError):
        url = URL.create("none")
    if url.get_backend_name() == "postgresql" and url.database:
        return dict.fromkeys((MLFLOW, ANSWERS), url.render_as_string(hide_password=False))
    if url.get_backend_name() == "sqlite" and url.database:
        return in_files(Path(url.database), Path(url.database).with_name("answers.db"))
    raise AddressError(
        f"Expected an address such as postgresql://user@host/database or sqlite:///mlflow.db. Received: {shown(target)}"
    )


def in_files(mlflow: Path, answers: Path) -> Addresses:
    """Those of files of SQLite."""
    return {MLFLOW: f"sqlite:///{mlflow}", ANSWERS: f"sqlite:///{answers}"}


def shown(address: str) -> str:
    """An address without its password; of one in which that could be anywhere, what stands before it."""
    if any(_unclear(address)):
        return f"{address.partition('://')[0]}://…"
    try:
        url = make_url(address)
    # A port of another kind of server that is no number.
    except (ArgumentError, ValueError):
        return without_credentials(address)
    # Its own `set` takes None for no change.
    named = url._replace(password=None).render_as_string(hide_password=False) if url.password else address
    return without_password_in_query(named)


def _unclear(address: str) -> Iterator[Trouble]:
    yield from encoding_troubles("TARGET", address)
    yield from port_troubles("TARGET", address)
