"""Work that may never end, in threads that nobody waits for longer than they want."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from threading import Lock, Thread
from typing import TypeVar

_Result = TypeVar("_Result")


async def within(seconds: float, work: Callable[[], _Result]) -> _Result:
    """What ``work`` gives, done in a thread of its own.

    ``asyncio.to_thread`` keeps the program from ending as long as the thread does not; this one is left to itself.

    Raises:
        TimeoutError: it took longer.
        Exception: that of ``work``.
    """
    loop = asyncio.get_running_loop()
    result: asyncio.Future[_Result] = loop.create_future()

    def tell(done: Callable[[], None]) -> None:
        if not result.done():
            done()

    def run() -> None:
        # Whoever asked may be gone, and the loop too.
        with suppress(RuntimeError):
            try:
                value = work()
            except Exception as error:
                failure = error
                loop.call_soon_threadsafe(tell, lambda: result.set_exception(failure))
            else:
                loop.call_soon_threadsafe(tell, lambda: result.set_result(value))

    Thread(target=run, name="facesent-serve", daemon=True).start()
    async with asyncio.timeout(seconds):
        return await result


class OneAtATime:
    """Work that is begun only once the one before has ended, so that what hangs does not pile up.

    Args:
        seconds: that anybody waits.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds, self._working = seconds, Lock()

    async def within(self, work: Callable[[], _Result]) -> _Result:
        """What ``work`` gives, as ``within``; nobody waits while an earlier one has still not ended.

        Raises:
            TimeoutError: it, or the one before, took longer.
            Exception: that of ``work``.
        """
        if not self._working.acquire(blocking=False):
            raise TimeoutError

        def then_free() -> _Result:
            try:
                return work()
            finally:
                self._working.release()

        return await within(self._seconds, then_free)
