"""Work that may never end, in threads that nobody waits for longer than they want."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from threading import Thread
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
