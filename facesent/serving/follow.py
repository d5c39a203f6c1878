"""``facesent serve``: the champion of the moment behind one address, without a gap when it changes."""

import asyncio
import json
import os
import signal
import socket
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from facesent.core import object_storage
from facesent.core.errors import FacesentError, in_words
from facesent.core.files import replaced
from facesent.evaluation.intervals import Estimate
from facesent.registry.troubles import is_of_store
from facesent.serving.address import Address, ServeError, check_tokens
from facesent.serving.changes import Failure, Watched, Withdrawn
from facesent.serving.gateway.settings import TOKEN_VARIABLES, GatewaySettings, LogSettings
from facesent.serving.objections import Shadow, Tallied, objection
from facesent.serving.questions import Questions, wrong_answer
from facesent.serving.settings import Server
from facesent.serving.workers import Worker, WorkerError

_ENDING_SECONDS = 2.0
_AUDIT_SECONDS = 60.0


@dataclass(frozen=True)
class Registry:
    """What the server has to know of the registry and the log; all may take a while and raise ``FacesentError``.

    Attributes:
        wanted: the number of the version to serve now.
        questions: what a version has to answer before it takes over.
        uri: MLflow's of a version.
        audited: how often a version was right since a moment; None where nothing is known.
        roll_back: moves the alias from a version to another one, and writes down why.
    """

    wanted: Callable[[], int]
    questions: Callable[[int], Questions]
    uri: Callable[[int], str]
    audited: Callable[[int, datetime], Estimate | None]
    roll_back: Callable[[int, int, str], None]


def serve(
    address: Address, workers: int, bounds: Server, registry: Registry, log: Callable[[str], None],
    kept: LogSettings | None = None,
) -> int:  # fmt: skip
    """Serve until SIGTERM or Ctrl-C, which let it answer what it has; the exit status.

    Args:
        address: where.
        workers: processes for a version.
        bounds: of requests.
        registry: what is to be served.
        log: takes a line about each change.
        kept: of the answers; None for nothing.

    Raises:
        ServeError: it cannot start.
        FacesentError: the registry has no such version.
    """
    check_tokens(address.host)
    with TemporaryDirectory(prefix="facesent-serve-") as folder, address.listen() as listener:
        (metrics := Path(folder) / "metrics").mkdir()
        # Read when the library is imported.
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(metrics)
        return asyncio.run(_Follower(address, listener, workers, bounds, registry, log, Path(folder), kept).run())


class _Follower:
    """Keeps processes of the wanted version at the address."""

    def __init__(
        self, address: Address, listener: socket.socket, workers: int, bounds: Server, registry: Registry,
        log: Callable[[str], None], folder: Path, kept: LogSettings | None,
    ) -> None:  # fmt: skip
        self._listener, self._count, self._registry, self._log, self._folder = listener, workers, registry, log, folder
        self._bounds, self._request_seconds = bounds, bounds.request_seconds
        self._settings = GatewaySettings(
            max_body_bytes=int(bounds.max_body_mb * 1e6),
            max_rows=bounds.max_rows,
            max_requests=bounds.max_requests,
            request_seconds=bounds.request_seconds,
            hosts=address.names(),
            log=kept,
            state_file=str(folder / "state.json"),
        )
        self._started = 0
        self._version = 0
        self._since = ""
        self._serving: list[Worker] = []
        self._alive: set[Worker] = set()
        self._leaving: set[asyncio.Task[None]] = set()
        self._failure: Failure | None = None
        self._shadow: Shadow | None = None
        self._watched: Watched | None = None
        self._withdrawn: Withdrawn | None = None
        self._unreachable: str | None = None
        self._unwritten = False
        self._changing = asyncio.Lock()
        self._stop = asyncio.Event()
        self._status = 0

    async def run(self) -> int:
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
            await asyncio.gather(*(self._end(worker, self._request_seconds) for worker in set(self._alive)))
        return self._status

    async def _work(self) -> None:
        await self._begin()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._care())
            tasks.create_task(self._keep_following())

    async def _care(self) -> None:
        """Look after the processes, also while a version loads or the registry takes its time."""
        while True:
            async with self._changing:
                await self._replace_ended()
            await asyncio.sleep(self._bounds.poll_seconds)

    async def _keep_following(self) -> None:
        while True:
            await self._review()
            await self._follow()
            await asyncio.sleep(self._bounds.poll_seconds)

    def _listen_to_signals(self) -> None:
        def stop(status: int) -> None:
            self._status = status
            self._stop.set()

        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, stop, 0)
        loop.add_signal_handler(signal.SIGINT, stop, 128 + signal.SIGINT)

    async def _begin(self) -> None:
        # They import while the registry is asked.
        workers = [await self._start() for _ in range(self._count)]
        version = await asyncio.to_thread(self._registry.wanted)
        try:
            await self._prepare(workers, version)
        except WorkerError as error:
            advice = object_storage.advice_for(str(error))
            said = f"Expected version {version} to be served. Received: {error}"
            raise ServeError(f"{said}. {advice}" if advice else said) from None
        await self._take_over(version, workers)
        host, port = self._listener.getsockname()[:2]
        self._log(f"Version {version} answers at http://{host}:{port}. Documentation: http://{host}:{port}/docs")

    async def _wanted(self) -> int | None:
        """The version to serve now; None where the registry does not say."""
        try:
            wanted = await asyncio.to_thread(self._registry.wanted)
            self._say_reachable(None)
        except FacesentError as error:
            self._say_reachable(str(error))
            # What was given up stays so, whatever the registry would say.
            return self._withdrawn.to if self._withdrawn and not self._withdrawn.left else None
        if given_up := self._withdrawn:
            given_up.left |= wanted != given_up.version
            return wanted if given_up.left else given_up.to
        return wanted

    async def _follow(self) -> None:
        """Change to the version that is wanted now, if it is another and can be."""
        if (wanted := await self._wanted()) is None:
            return
        if self._failure and self._failure.version != wanted:
            self._failure = None
        if wanted == self._version or (self._failure and not self._failure.due()):
            if self._withdrawn and self._withdrawn.not_moved and self._withdrawn.not_moved.due():
                await self._move_alias(self._withdrawn)
            self._write_state()
            return
        self._log(f"Version {wanted} is taking over from version {self._version} ...")
        workers: list[Worker] = []
        try:
            for _ in range(self._count):
                workers.append(await self._start())
            await self._prepare(workers, wanted)
            still_wanted = await self._try_in_shadow(workers, wanted)
        except (FacesentError, OSError) as error:
            await asyncio.gather(*(self._end(worker) for worker in workers))
            self._fail(wanted, str(error))
            return
        if not still_wanted:
            await asyncio.gather(*(self._end(worker) for worker in workers))
            return
        async with self._changing:
            before = self._serving
            await self._take_over(wanted, workers)
        for worker in before:
            self._let_leave(worker)
        if self._withdrawn and not self._withdrawn.left:
            await self._move_alias(self._withdrawn)

    async def _try_in_shadow(self, workers: Sequence[Worker], version: int) -> bool:
        """Ask a newer version what clients ask, beside the one that answers them; whether it is still wanted then.

        Raises:
            WorkerError: something speaks against it.
        """
        bounds, until = self._bounds, time.monotonic() + self._bounds.shadow_seconds
        # Nobody waits for a trial where the newer one is bad.
        if version < self._version or not bounds.shadow_requests:
            return True
        self._shadow, copying = Shadow(version), set[Worker]()
        try:
            while self._shadow.copies < bounds.shadow_requests and time.monotonic() < until:
                for place, worker in enumerate(self._serving):
                    if worker.accepts and worker not in copying:
                        await worker.mirror(workers[place].port, bounds.shadow_requests)
                        copying.add(worker)
                await asyncio.sleep(bounds.poll_seconds)
                self._shadow = Shadow.of(version, (await self._tallied()).compared)
                if ended := [worker.status for worker in workers if worker.status is not None]:
                    raise WorkerError(f"A process of it ended with status {ended[0]}.")
                if why := self._shadow.objection(bounds):
                    raise WorkerError(why)
                if await self._wanted() not in (version, None):
                    return False
        finally:
            await asyncio.gather(*(worker.mirror(None) for worker in self._serving))
        self._log(f"Version {version} beside version {self._version}: {self._shadow}.")
        return True

    async def _tallied(self) -> Tallied:
        # One that still loads would be asked two things at once.
        return Tallied.of(await asyncio.gather(*(worker.tally() for worker in self._serving if worker.accepts)))

    async def _review(self) -> None:
        """Give up the version that took over, if something speaks against it."""
        from facesent.serving.gateway import metrics

        watched = self._watched
        if not watched or time.monotonic() > watched.until:
            self._watched = None
            return
        accuracy = await self._audited(watched)
        if why := objection(watched.tallied, await self._tallied(), watched.ended, accuracy, self._bounds):
            self._watched, self._withdrawn = None, Withdrawn(self._version, watched.before, why)
            metrics.rollbacks.inc()
            self._log(f"Version {self._version} is given up, back to version {watched.before}: {why}")

    async def _audited(self, watched: Watched) -> Estimate | None:
        """How often the version was right, which takes a look at the whole log: not at each turn."""
        if self._bounds.rollback_accuracy is None or time.monotonic() < watched.audit_due:
            return None
        watched.audit_due = time.monotonic() + _AUDIT_SECONDS
        # The log may be away, with the disk that it is on.
        with suppress(FacesentError, OSError, sqlite3.Error):
            return await asyncio.to_thread(self._registry.audited, self._version, watched.since)
        return None

    async def _move_alias(self, given_up: Withdrawn) -> None:
        try:
            await asyncio.to_thread(self._registry.roll_back, given_up.version, given_up.to, given_up.why)
            given_up.alias, given_up.not_moved = "moved", None
        except (FacesentError, OSError) as error:
            given_up.alias, why = f"not moved: {error}", str(error)
            tried = given_up.not_moved
            given_up.not_moved = tried.again(why) if tried else Failure(given_up.version, why)
            self._log(f"This server alone went back, the registry still names version {given_up.version}: {error}")
        self._write_state()

    async def _replace_ended(self) -> None:
        from facesent.serving.gateway import metrics

        for place, worker in enumerate(self._serving):
            if worker.status is None:
                continue
            self._log(f"A process of version {self._version} ended with status {worker.status}; starting another one.")
            metrics.restarts.inc()
            if self._watched and worker.accepts:
                self._watched.ended += 1
            await self._end(worker)
            try:
                another = self._serving[place] = await self._start()
                await self._prepare([another], self._version)
                await another.accept()
            except (FacesentError, OSError) as error:
                # What keeps a replacement from beginning may be the version, or a store that is away.
                if self._watched and isinstance(error, WorkerError) and not is_of_store(str(error)):
                    self._watched.ended += 1
                # Whichever is in its place has ended, and the next turn finds it so.
                self._log(f"It could not: {error}")
                await self._end(self._serving[place])

    async def _start(self) -> Worker:
        self._started += 1
        scratch = self._folder / f"worker-{self._started}"
        worker = await Worker.start(self._listener, self._settings, scratch, self._folder / "metrics")
        self._alive.add(worker)
        return worker

    async def _prepare(self, workers: Sequence[Worker], version: int) -> None:
        """Load the version and try it; nobody is answered by it yet."""
        questions = await asyncio.to_thread(self._registry.questions, version)
        token = os.environ.get(TOKEN_VARIABLES["ask"])
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        await asyncio.gather(*(worker.load(self._registry.uri(version)) for worker in workers))
        for worker in workers:
            if wrong := await asyncio.to_thread(wrong_answer, worker.port, questions, headers):
                raise WorkerError(wrong)

    async def _take_over(self, version: int, workers: list[Worker]) -> None:
        from facesent.serving.gateway import metrics

        if self._version:
            metrics.swaps.inc()
            self._log(
                f"Version {version} answers now; version {self._version} ends once its clients have been answered."
            )
        if self._withdrawn and self._withdrawn.to != version:
            self._withdrawn = None
        metrics.version_served.set(version)
        since, until = datetime.now(UTC), time.monotonic() + self._bounds.rollback_seconds
        newer = 0 < self._version < version and self._bounds.rollback_seconds
        self._watched = Watched(self._version, await self._tallied(), until, since) if newer else None
        self._version, self._serving, self._failure = version, workers, None
        self._since = since.isoformat(timespec="seconds")
        self._write_state()
        for worker in workers:
            await worker.accept()

    def _fail(self, version: int, why: str) -> None:
        from facesent.serving.gateway import metrics

        metrics.failed_swaps.inc()
        self._failure = self._failure.again(why) if self._failure else Failure(version, why)
        self._log(f"Version {version} could not take over; version {self._version} still answers: {why}")
        self._write_state()

    def _say_reachable(self, why_not: str | None) -> None:
        if why_not and not self._unreachable:
            self._log(f"The registry does not answer; version {self._version} still does: {why_not}")
        elif self._unreachable and not why_not:
            self._log("The registry answers again.")
        self._unreachable = why_not
        self._write_state()

    def _let_leave(self, worker: Worker) -> None:
        async def leave() -> None:
            await worker.drain(2 * self._request_seconds)
            await self._end(worker)

        task = asyncio.create_task(leave())
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def _end(self, worker: Worker, seconds: float = _ENDING_SECONDS) -> None:
        from prometheus_client.multiprocess import mark_process_dead

        await worker.end(seconds)
        mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]
        self._alive.discard(worker)

    def _write_state(self) -> None:
        from facesent.serving.gateway import metrics

        failure = self._failure and {"version": self._failure.version, "why": self._failure.why}
        given_up, shadow = self._withdrawn, self._shadow and asdict(self._shadow)
        for name, gauge in metrics.shadow.items():
            if shadow and shadow[name] is not None:
                gauge.set(shadow[name])
        state = {
            "status": "ok",
            "version": self._version,
            "since": self._since,
            "workers": sum(worker.accepts and worker.status is None for worker in self._serving),
            "failed": failure,
            "shadow": shadow,
            "rolled_back": given_up and {name: getattr(given_up, name) for name in ("version", "to", "why", "alias")},
            "registry": self._unreachable or "ok",
        }
        try:
            with replaced(Path(self._settings.state_file)) as file:
                file.write_text(json.dumps(state), encoding="utf-8")
            self._unwritten = False
        except OSError as error:
            # A full disk costs what /health shows, and no answer.
            if not self._unwritten:
                self._log(f"The state cannot be shown: {in_words(error)}")
            self._unwritten = True
