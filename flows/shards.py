"""The task that answers one shard, here in a thread or in a worker of a Dask cluster, and how many are submitted."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.futures import PrefectFuture

from flows.clusters import cancelled_in_dask
from flows.summary import duration

_SECONDS_BETWEEN_LINES = 5.0


@task(cache_policy=NO_CACHE, task_run_name="shard-{number:05d}")
def score_shard(root: Path, target: Path, number: int) -> None:
    """Answer the photos of one shard, here or in a Dask worker.

    Args:
        root: the folder that relative paths start from.
        target: the folder of answers, with its plan.
        number: of the shard.
    """
    # Not above: a worker gets this function with all that it names, and a lock cannot be sent.
    from facesent.scoring.shards import score

    score(root, target, number, cancelled_in_dask())


def submit_all(target: Path, left: Sequence[int], at_once: int, done: Callable[[int], None]) -> None:
    """Let the task runner do these shards; few wait at a time, however many there are.

    Args:
        target: the folder of answers, with its plan.
        left: numbers of shards.
        at_once: how many the task runner works on at once.
        done: called with each that is finished.

    Raises:
        Exception: what the first shard that fails raised; those under way end early.
    """
    from facesent.scoring.shards import begin, end

    begin(target)
    waiting = deque[tuple[int, PrefectFuture[Any]]]()

    def await_first() -> None:
        number, future = waiting.popleft()
        future.result()
        done(number)

    try:
        for number in left:
            # The next ones wait in the queue already when one is done.
            if len(waiting) >= 2 * at_once:
                await_first()
            waiting.append((number, score_shard.submit(Path.cwd(), target, number)))
        while waiting:
            await_first()
    except BaseException:
        end(target)
        raise


class Progress:
    """Says now and then how far a run is, and how long it may still take.

    Args:
        log: takes the lines.
        kept: photos that an earlier run answered.
        photos: in all.
    """

    def __init__(self, log: Callable[[str], None], kept: int, photos: int) -> None:
        self._log, self._kept, self._photos = log, kept, photos
        self._begun = self._told = time.monotonic()
        if kept:
            log(f"{kept:,} of {photos:,} photos are kept from an earlier run")

    def tell(self, done: int) -> None:
        """Take how many photos are answered."""
        now = time.monotonic()
        if now - self._told < _SECONDS_BETWEEN_LINES and done < self._photos:
            return
        self._told = now
        rate = (done - self._kept) / (now - self._begun)
        left = f", {duration((self._photos - done) / rate)} left" if done < self._photos else ""
        self._log(f"{done:,} of {self._photos:,} photos, {rate:,.0f} a second{left}")
