"""The store that a program asks, which is not the project's own process."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import RLock

from facesent.core.project import is_project, require_project
from facesent.core.trouble import refuse
from facesent.registry.client import address_troubles, named_store, prepare

_VARIABLES = ("MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")
_ONE_AT_A_TIME = RLock()


@contextmanager
def tracking_store(address: str | None) -> Iterator[str]:
    """Let a block ask MLflow's store at ``address``; afterwards MLflow is set as it was.

    Other threads wait for the end of the block before theirs begins.

    Args:
        address: None for what MLflow is set to, or else for ``mlflow.db`` in the working folder.

    Yields:
        the address, without a password.

    Raises:
        FacesentError: no address is known and the working folder is no project, or the address is no store's.
    """
    # The address is the whole process's: another thread would ask this one's store, or find its own taken away.
    with _ONE_AT_A_TIME, _set_to(address):
        yield os.environ["MLFLOW_TRACKING_URI"]


@contextmanager
def _set_to(address: str | None) -> Iterator[None]:
    if address is None:
        _get_ready()
        yield
        return
    before = {name: os.environ.get(name) for name in _VARIABLES}
    os.environ["MLFLOW_TRACKING_URI"] = address
    try:
        _get_ready()
        with _told(os.environ["MLFLOW_TRACKING_URI"]):
            yield
    finally:
        for name, value in before.items():
            _put_back(name, value)


@contextmanager
def _told(address: str) -> Iterator[None]:
    """Tell MLflow itself for a block, as the program may have told it another one."""
    import mlflow

    told = _told_by_program()
    mlflow.set_tracking_uri(address)
    try:
        yield
    finally:
        # None, for nothing told, it takes as well.
        mlflow.set_tracking_uri(told)  # type: ignore[arg-type]


def _get_ready() -> None:
    """Prepare MLflow as the environment says, if that can be right."""
    if not is_project(Path()):
        os.environ.setdefault("KERAS_HOME", _keras_home().name)
    prepare()
    # Else MLflow would make a database wherever a notebook lies.
    if named_store() is None:
        require_project(Path())
    refuse(address_troubles())


@cache
def _keras_home() -> "TemporaryDirectory[str]":
    """Keras writes a file as it is imported, for which a folder of notebooks is no place; gone with this process."""
    return TemporaryDirectory(prefix="facesent-keras-")


def _told_by_program() -> str | None:
    """What somebody gave to ``mlflow.set_tracking_uri``; the environment says it too, but also says more."""
    import mlflow

    in_environment = os.environ.pop("MLFLOW_TRACKING_URI", None)
    try:
        said = mlflow.is_tracking_uri_set()  # type: ignore[no-untyped-call]
        return mlflow.get_tracking_uri() if said else None
    finally:
        _put_back("MLFLOW_TRACKING_URI", in_environment)


def _put_back(name: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value
