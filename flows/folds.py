"""The task that trains one fold: here in a thread, or in a worker of a Dask cluster, the same in both.

It waits for a process of the fold's own: Keras keeps its seeds and its precision for a whole process.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Failed

from facesent.core.programs import Process, ProgramError, child_environment, end, follow, process_group, python
from facesent.registry.credentials import without_credentials
from facesent.registry.postgres import with_driver
from flows.clusters import cancelled_in_dask

if TYPE_CHECKING:
    from facesent.experiments.folds import Folder

_SECONDS_BETWEEN_LOOKS = 1.0
# The store that the flow writes to, also where a worker's own environment names another or none.
_STORE = "MLFLOW_TRACKING_URI"


def passed_on() -> dict[str, str]:
    """Variables of this process that a fold has to see wherever it runs; only a database's address has a password."""
    return {_STORE: os.environ[_STORE]} if _STORE in os.environ else {}


def _seen_here(variables: Mapping[str, str]) -> Mapping[str, str]:
    """Those of them that a worker does not know better: its own address of the same store may hold a password."""
    own = os.environ.get(_STORE, "")
    bare = without_credentials(own)
    known = own != bare and with_driver(bare) == with_driver(without_credentials(variables.get(_STORE, "")))
    return {name: value for name, value in variables.items() if not (known and name == _STORE)}


@task(cache_policy=NO_CACHE)
def train_fold(
    root: Path, folder: "Folder", fold: int, key: str, parent_id: str, variables: Mapping[str, str]
) -> "str | State[str]":
    """Train and score one fold, unless its result is there; "trained" or "kept", or a failed state that says why.

    Args:
        root: the project's folder, absolute; a Dask worker has to see it under the same name.
        folder: of the cross-validation.
        fold: its number, from 1.
        key: of the result as it was planned.
        parent_id: MLflow's id of the parent run.
        variables: what ``passed_on`` gave.
    """
    from facesent.experiments import fold_result

    logger = get_run_logger()
    if fold_result.holds(folder.fold(fold), key):
        logger.info("fold %d is kept from an earlier run", fold)
        return "kept"
    options = ("--folder", str(folder.root), "--fold", str(fold), "--parent", parent_id)
    command = python("facesent.experiments.fold", *options)
    try:
        with (
            process_group(command, root, child_environment(_seen_here(variables)), lifeline=True) as process,
            _ended_if_unwanted(process),
        ):
            follow(process, logger.info)
    except ProgramError as error:
        # Returned, not raised: the message is for people, and a traceback in the log would hide it.
        return Failed(message=f"Fold {fold} failed. {error}")
    if not fold_result.holds(folder.fold(fold), key):
        return Failed(
            message=f"Fold {fold} was trained with different settings, images or code than planned: they "
            "changed meanwhile. Run it again to plan new folds."
        )
    return "trained"


@contextmanager
def _ended_if_unwanted(process: Process) -> Iterator[None]:
    """End a process whose task a Dask cluster has given up, as it does when the flow is killed."""
    unwanted, done = cancelled_in_dask(), Event()

    def watch() -> None:
        while not done.wait(_SECONDS_BETWEEN_LOOKS):
            if unwanted():
                end(process)
                return

    watcher = Thread(target=watch, name="watcher", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()
