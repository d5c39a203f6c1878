"""Where tasks run: in threads of this process, in local Dask workers, or on a Dask cluster elsewhere."""

import logging
import sys
from collections.abc import Callable
from typing import Any

from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from facesent.core.errors import FacesentError

LOCAL = "local"


class ClusterError(FacesentError):
    """The Dask cluster that was named cannot be used."""


def task_runner(dask: str | None, jobs: int) -> TaskRunner[Any]:
    """Threads, or Dask.

    Args:
        dask: None for threads, ``LOCAL`` for worker processes here, or a scheduler's address (``tcp://host:8786``).
        jobs: tasks at once, here; a cluster elsewhere runs as many as its workers have threads.

    Raises:
        ClusterError: no scheduler answers at that address.
    """
    if dask is None:
        return ThreadPoolTaskRunner(max_workers=jobs)
    from prefect_dask.task_runners import DaskTaskRunner

    # Which worker connects to which is for those who look for it.
    logging.getLogger("distributed").setLevel(logging.WARNING)
    if dask == LOCAL:
        workers = {"n_workers": jobs, "threads_per_worker": 1, "processes": True, "dashboard_address": None}
        return DaskTaskRunner(cluster_class="distributed.LocalCluster", cluster_kwargs=workers)
    threads_of(dask)
    return DaskTaskRunner(address=dask)


def cancelled_in_dask() -> Callable[[], bool]:
    """A function that tells whether the task of this thread is no longer wanted, because its flow is gone.

    Dask cannot interrupt a thread: it marks the task and waits. Outside a Dask worker the answer is always no.
    """
    if "distributed.worker" not in sys.modules:
        return lambda: False
    from distributed import get_worker

    try:
        worker = get_worker()
    except ValueError:
        return lambda: False
    key = worker.get_current_task()

    def cancelled() -> bool:
        task = worker.state.tasks.get(key)
        return task is None or task.state == "cancelled"

    return cancelled


def threads_of(address: str) -> int:
    """How many tasks a Dask cluster runs at once.

    Raises:
        ClusterError: no scheduler answers at that address, or it has no workers.
    """
    from distributed import Client

    start = f"Start them with `dask scheduler` and, on each machine, `dask worker {address} --nthreads 1`."
    try:
        with Client(address, timeout="15s", set_as_default=False) as client:  # type: ignore[no-untyped-call]
            threads = sum(client.nthreads().values())
    except (OSError, ValueError) as error:
        raise ClusterError(f"Expected a Dask scheduler at {address}. Received: {error}. {start}") from None
    if not threads:
        raise ClusterError(f"Expected workers of the Dask scheduler at {address}. Received: none. {start}")
    return int(threads)
