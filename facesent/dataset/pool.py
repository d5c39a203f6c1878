"""A map over processes that keeps the order and names the item that killed a worker."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing.process import BaseProcess
from threading import Thread
from typing import TypeVar

from facesent.core.errors import FacesentError

Item = TypeVar("Item")
Result = TypeVar("Result")


class WorkerError(FacesentError):
    """A worker process died: a decoder crashed, or the system ran out of memory."""


def map_in_processes(
    job: Callable[[Item], Result],
    items: Sequence[Item],
    *,
    workers: int,
    chunk: int = 32,
    initializer: Callable[[], None] | None = None,
) -> Iterator[Result]:
    """Yield ``job(item)`` for each item, in the order of ``items``.

    One chunk or one worker runs in this process: starting others would take longer than the work.

    Raises:
        WorkerError: a worker died; the message names the item.
    """
    workers = min(workers, -(-len(items) // chunk))
    if workers <= 1:
        if initializer:
            initializer()
        yield from map(job, items)
        return
    done = 0
    with _pool(workers, initializer) as pool:
        try:
            for result in pool.map(job, items, chunksize=chunk):
                yield result
                done += 1
        except BrokenProcessPool:
            # Each worker may hold one chunk and find another waiting in the queue.
            suspects = items[done : done + chunk * (2 * workers + 1)]
            raise WorkerError(_explain(job, suspects, initializer)) from None


def end_with_parent() -> None:
    """Let this process end when the one that started it is gone, which a killed one tells nobody."""
    if parent := multiprocessing.parent_process():
        Thread(target=_end_after, args=(parent,), daemon=True).start()


def _end_after(parent: BaseProcess) -> None:
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)


def _pool(workers: int, initializer: Callable[[], None] | None) -> ProcessPoolExecutor:
    # Forking would copy the locks of a caller that has threads (TensorFlow, Prefect) and could hang.
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers, mp_context=context, initializer=partial(_begin, initializer))


def _begin(initializer: Callable[[], None] | None) -> None:
    # A worker holds both ends of the queue that it waits for, so that it never sees the end of it.
    end_with_parent()
    if initializer:
        initializer()


def _explain(job: Callable[[Item], Result], suspects: Sequence[Item], initializer: Callable[[], None] | None) -> str:
    """Repeat the suspects one by one in a process of their own, until one kills it."""
    with _pool(1, initializer) as pool:
        try:
            pool.submit(os.getpid).result()
        except BrokenProcessPool:
            return "Expected worker processes to start. Received: they ended immediately. Run with one worker."
        for item in suspects:
            try:
                pool.submit(job, item).result()
            except BrokenProcessPool:
                return f"Expected a result for {item}. Received: the process that worked on it died."
    return "Expected workers to finish. Received: one was killed, perhaps for lack of memory. Run it again."
