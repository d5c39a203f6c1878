"""The one who keeps the wanted version in service: changes to it, watches it afterwards, and goes back if need be."""

import asyncio
import signal
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TypeVar

from facesent.core.errors import FacesentError, in_words
from facesent.evaluation.intervals import Estimate
from facesent.serving.address import ServeError
from facesent.serving.changes import Failure, Probation, RolledBack
from facesent.serving.fleet import Fleet
from facesent.serving.gateway import metrics
from facesent.serving.objections import Shadow, objection
from facesent.serving.releases import Releases
from facesent.serving.settings import Server
from facesent.serving.state import StateFile
from facesent.serving.threads import OneAtATime
from facesent.serving.workers import Worker, WorkerError

_AUDIT_SECONDS = 60.0
# More than MLflow takes to tell of a server that is away.
_ANSWER_SECONDS = 60.0

_Result = TypeVar("_Result")


class RolloutController:
    """Keeps processes of the wanted version at an address.

    Args:
        url: of the address.
        fleet: the processes.
        releases: what is to be served.
        bounds: section ``server``.
        state: where what is served is shown.
        log: takes a line about each change.
    """

    def __init__(
        self, url: str, fleet: Fleet, releases: Releases, bounds: Server, state: StateFile, log: Callable[[str], None]
    ) -> None:
        self._url, self._fleet, self._releases = url, fleet, releases
        self._bounds, self._state, self._log = bounds, state, log
        self._since = ""
        self._failure: Failure | None = None
        self._shadow: Shadow | None = None
        self._probation: Probation | None = None
        self._rolled_back: RolledBack | None = None
        self._unreachable: str | None = None
        self._registry, self._answers = OneAtATime(_ANSWER_SECONDS), OneAtATime(_ANSWER_SECONDS)
        self._stop = asyncio.Event()
        self._status = 0

    async def run(self) -> int:
        """Serve until a signal; the exit status."""
        self._listen_to_signals()
        work = asyncio.create_task(self._work())
        stop = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait({work, stop}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                await work
            self._log("Stopping: accepted requests are still answered.")
        finally:
            work.cancel()
            stop.cancel()
            await asyncio.gather(work, return_exceptions=True)
            await self._fleet.end_all(self._bounds.request_seconds)
        return self._status

    def _listen_to_signals(self) -> None:
        def stop(status: int) -> None:
            self._status = status
            self._stop.set()

        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, stop, 0)
        loop.add_signal_handler(signal.SIGINT, stop, 128 + signal.SIGINT)

    async def _work(self) -> None:
        await self._begin()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._supervise())
            tasks.create_task(self._keep_following())

    async def _supervise(self) -> None:
        """Look after the processes, also while a version loads or the registry takes its time."""
        while True:
            await self._fleet.replace_ended()
            await asyncio.sleep(self._bounds.poll_seconds)

    async def _keep_following(self) -> None:
        while True:
            await self._review()
            await self._follow()
            self._show()
            await asyncio.sleep(self._bounds.poll_seconds)

    async def _begin(self) -> None:
        # They import while the registry is asked.
        workers = await self._fleet.start()
        version = await self._ask_registry(self._releases.wanted)
        try:
            await self._fleet.load(workers, version)
        except WorkerError as error:
            raise ServeError(f"Expected version {version} to be served. Received: {error}") from None
        await self._take_over(version, workers)
        self._log(f"Version {version} answers at {self._url}. Documentation: {self._url}/docs")

    async def _follow(self) -> None:
        """Change to the version that is wanted now, if it is another and can be."""
        if (wanted := await self._wanted()) is None:
            return
        if self._failure and self._failure.version != wanted:
            self._failure = None
        if wanted == self._fleet.version or (self._failure and not self._failure.due()):
            if self._rolled_back and self._rolled_back.not_moved and self._rolled_back.not_moved.due():
                await self._move_alias(self._rolled_back)
            return
        await self._change(wanted)
        given_up = self._rolled_back
        if given_up and not given_up.left and given_up.to == self._fleet.version:
            await self._move_alias(given_up)

    async def _wanted(self) -> int | None:
        """The version to serve now; None where nobody says."""
        named = None
        try:
            named = await self._ask_registry(self._releases.wanted)
            self._say_reachable(None)
        except FacesentError as error:
            self._say_reachable(str(error))
        return self._rolled_back.instead_of(named) if self._rolled_back else named

    async def _ask_registry(self, question: Callable[[], _Result]) -> _Result:
        """What the registry says.

        Raises:
            FacesentError: it is away, or the disk that it is on, or it does not answer in time.
        """
        try:
            return await self._registry.within(question)
        except OSError as error:
            if isinstance(error, TimeoutError) and not error.errno:
                raise FacesentError(
                    f"Expected the registry to answer within {_ANSWER_SECONDS:.0f} seconds. Received: nothing. "
                    "See to the server or the disk that MLFLOW_TRACKING_URI names."
                ) from None
            raise FacesentError(in_words(error)) from error
        except sqlite3.Error as error:
            raise FacesentError(str(error)) from error

    async def _change(self, version: int) -> None:
        """Load a version beside the one in service, try it, and let it take over if nothing speaks against that."""
        self._log(f"Version {version} is taking over from version {self._fleet.version} ...")
        workers: list[Worker] = []
        try:
            workers = await self._fleet.start()
            await self._fleet.load(workers, version)
            still_wanted = await self._try_in_shadow(workers, version)
        except (FacesentError, OSError) as error:
            await self._fleet.end(workers)
            self._fail(version, str(error))
            return
        if still_wanted:
            await self._take_over(version, workers)
        else:
            await self._fleet.end(workers)

    async def _try_in_shadow(self, workers: Sequence[Worker], version: int) -> bool:
        """Ask a newer version what clients ask, beside the one that answers them; whether it is still wanted then.

        Raises:
            WorkerError: something speaks against it.
        """
        bounds, until = self._bounds, time.monotonic() + self._bounds.shadow_seconds
        # Nobody waits for a trial where the newer one is bad.
        if version < self._fleet.version or not bounds.shadow_requests:
            return True
        self._shadow = Shadow(version)
        try:
            while self._shadow.copies < bounds.shadow_requests and time.monotonic() < until:
                await self._fleet.mirror(workers, bounds.shadow_requests)
                await asyncio.sleep(bounds.poll_seconds)
                self._shadow = Shadow.of(version, (await self._fleet.tallied()).compared)
                self._show()
                if ended := [worker.status for worker in workers if worker.status is not None]:
                    raise WorkerError(f"A process of it ended with status {ended[0]}.")
                if why := self._shadow.objection(bounds):
                    raise WorkerError(why)
                if await self._wanted() not in (version, None):
                    return False
        finally:
            await self._fleet.stop_mirroring()
        self._log(f"Version {version} beside version {self._fleet.version}: {self._shadow}.")
        return True

    async def _take_over(self, version: int, workers: list[Worker]) -> None:
        before = self._fleet.version
        async with self._fleet.taking_over(version, workers, 2 * self._bounds.request_seconds) as tallied:
            if before:
                metrics.swaps.inc()
                self._log(f"Version {version} answers now; version {before} ends once its clients have been answered.")
            if self._rolled_back and self._rolled_back.to != version:
                self._rolled_back = None
            since, until = datetime.now(UTC), time.monotonic() + self._bounds.rollback_seconds
            newer = 0 < before < version and self._bounds.rollback_seconds
            self._probation = Probation(before, tallied, until, since) if newer else None
            self._failure, self._since = None, since.isoformat(timespec="seconds")
            metrics.version_served.set(version)
            self._show()

    def _fail(self, version: int, why: str) -> None:
        metrics.failed_swaps.inc()
        self._failure = self._failure.again(why) if self._failure else Failure(version, why)
        self._log(f"Version {version} could not take over; version {self._fleet.version} still answers: {why}")

    async def _review(self) -> None:
        """Give up the version that took over, if something speaks against it."""
        probation, version = self._probation, self._fleet.version
        if not probation or time.monotonic() > probation.until:
            self._probation = None
            return
        accuracy, tallied = await self._audited(probation), await self._fleet.tallied()
        if why := objection(probation.tallied, tallied, self._fleet.ended, accuracy, self._bounds):
            self._probation = None
            await self._give_up(version, probation.before, why)

    async def _give_up(self, version: int, to: int, why: str) -> None:
        """Want the version before again, unless it may not be served any more."""
        objection_to_it = ""
        # Where nobody can say, the server goes back alone.
        with suppress(FacesentError):
            objection_to_it = await self._ask_registry(lambda: self._releases.objection_to(to))
        if objection_to_it:
            self._log(
                f"Version {version} stays in service: {objection_to_it} Version {version} was to be given up: {why}"
            )
            return
        self._rolled_back = RolledBack(version, to, why)
        metrics.rollbacks.inc()
        self._log(f"Version {version} is given up, back to version {to}: {why}")

    async def _audited(self, probation: Probation) -> Estimate | None:
        """How often the version was right, which takes a look at the whole log: not at each turn."""
        if self._bounds.rollback_accuracy is None or time.monotonic() < probation.audit_due:
            return None
        probation.audit_due = time.monotonic() + _AUDIT_SECONDS
        # The log may be away, with the disk that it is on.
        with suppress(FacesentError, OSError, sqlite3.Error):
            version, since = self._fleet.version, probation.since
            return await self._answers.within(lambda: self._releases.audited(version, since))
        return None

    async def _move_alias(self, given_up: RolledBack) -> None:
        try:
            version, to, why = given_up.version, given_up.to, given_up.why
            await self._ask_registry(lambda: self._releases.roll_back(version, to, why))
            given_up.alias, given_up.not_moved = "moved", None
        except FacesentError as error:
            given_up.alias, why = f"not moved: {error}", str(error)
            tried = given_up.not_moved
            given_up.not_moved = tried.again(why) if tried else Failure(given_up.version, why)
            self._log(f"This server alone went back, the registry still names version {given_up.version}: {error}")

    def _say_reachable(self, why_not: str | None) -> None:
        if why_not and not self._unreachable:
            self._log(f"The registry does not answer; version {self._fleet.version} still does: {why_not}")
        elif self._unreachable and not why_not:
            self._log("The registry answers again.")
        self._unreachable = why_not

    def _show(self) -> None:
        failure, given_up, shadow = self._failure, self._rolled_back, self._shadow and asdict(self._shadow)
        for name, gauge in metrics.shadow.items():
            if shadow and shadow[name] is not None:
                gauge.set(shadow[name])
        self._state.write({
            "status": "ok",
            "version": self._fleet.version,
            "since": self._since,
            "workers": self._fleet.answering,
            "failed": failure and {"version": failure.version, "why": failure.why},
            "shadow": shadow,
            "rolled_back": given_up and {name: getattr(given_up, name) for name in ("version", "to", "why", "alias")},
            "registry": self._unreachable or "ok",
        })  # fmt: skip
