"""The processes of ``facesent serve``: those that answer its clients, those that get ready, and those that leave."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from socket import socket

from prometheus_client.multiprocess import mark_process_dead

from facesent.core.errors import FacesentError
from facesent.registry.troubles import is_of_store
from facesent.serving.gateway import metrics
from facesent.serving.gateway.settings import TOKEN_VARIABLES, GatewaySettings
from facesent.serving.objections import Tallied
from facesent.serving.questions import wrong_answer
from facesent.serving.releases import Release
from facesent.serving.threads import within
from facesent.serving.workers import Worker, WorkerError

_ENDING_SECONDS = 2.0
_FETCH_SECONDS = 300.0


class Fleet:
    """The processes of one version in service, and of another one while that gets ready.

    Each time that a version is loaded it is fetched anew, as it may have been mended since, or lost what it kept of a
    person who was forgotten. Where the registry is away, the last copy is loaded again.

    Args:
        listener: the address at which clients ask.
        settings: of each process.
        count: processes of a version.
        fetch: gets a version into an empty folder; it may take a while and raise ``FacesentError``.
        folder: for the copies, the processes' own files and their counts.
        log: takes a line about each process that died.

    Attributes:
        version: in service; 0 before there is one.
        ended: processes of it that ended unasked, and replacements that could not load it, since it is in service.
    """

    def __init__(
        self, listener: socket, settings: GatewaySettings, count: int, fetch: Callable[[int, Path], Release],
        folder: Path, log: Callable[[str], None],
    ) -> None:  # fmt: skip
        self._listener, self._settings, self._count = listener, settings, count
        self._fetch, self._folder, self._log = fetch, folder, log
        self.version = 0
        self.ended = 0
        self._before = 0
        self._serving: list[Worker] = []
        self._alive: set[Worker] = set()
        # The last copy of each version that may be wanted again, and the folders of all copies.
        self._releases: dict[int, Release] = {}
        self._copies: set[Path] = set()
        self._mirroring: set[Worker] = set()
        self._leaving: set[asyncio.Task[None]] = set()
        self._started = 0
        # A process is not replaced while another version takes over.
        self._changing = asyncio.Lock()

    @property
    def answering(self) -> int:
        """How many processes answer clients now."""
        return sum(worker.accepts and worker.status is None for worker in self._serving)

    async def start(self) -> list[Worker]:
        """As many processes as a version has, which import what they will need."""
        workers: list[Worker] = []
        try:
            for _ in range(self._count):
                workers.append(await self._start())
        except OSError:
            await self.end(workers)
            raise
        return workers

    async def load(self, workers: Sequence[Worker], version: int) -> None:
        """Let them load a version, and try it; nobody is answered by it yet.

        Raises:
            FacesentError: it cannot be had.
            WorkerError: a process cannot load it, or does not answer what the version answered before.
        """
        release = await self._fetched(version)
        token = os.environ.get(TOKEN_VARIABLES["ask"])
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        for worker in workers:
            worker.folder = release.folder
        await asyncio.gather(*(worker.load(release.folder) for worker in workers))
        for worker in workers:
            if wrong := await asyncio.to_thread(wrong_answer, worker.port, release.questions, headers):
                raise WorkerError(wrong)

    @asynccontextmanager
    async def taking_over(self, version: int, workers: list[Worker], leave_seconds: float) -> AsyncIterator[Tallied]:
        """Let processes of a version answer clients as soon as the block ends.

        Args:
            version: that they have loaded.
            workers: the processes.
            leave_seconds: for those that answered so far, to answer what they were asked; then they are ended.

        Yields:
            what came of the requests of those.
        """
        async with self._changing:
            tallied = await self.tallied()
            leaving, self._serving = self._serving, workers
            self._before, self.version, self.ended = self.version, version, 0
            yield tallied
            for worker in workers:
                await worker.accept()
        for worker in leaving:
            self._drain(worker, leave_seconds)

    async def replace_ended(self) -> None:
        """Start another process in place of each that ended unasked."""
        async with self._changing:
            for place, worker in enumerate(self._serving):
                if worker.status is not None:
                    said = f"A process of version {self.version} ended with status {worker.status}"
                    self._log(f"{said}; starting another one.")
                    metrics.restarts.inc()
                    self.ended += worker.accepts
                    await self.end([worker])
                    await self._replace(place)

    async def tallied(self) -> Tallied:
        """What came of the requests of the processes in service."""
        # One that still loads would be asked two things at once.
        return Tallied.of(await asyncio.gather(*(worker.tally() for worker in self._serving if worker.accepts)))

    async def mirror(self, others: Sequence[Worker], most: int) -> None:
        """Let each process in service copy its next requests, so many at most, to its counterpart of ``others``."""
        for worker, other in zip(self._serving, others, strict=True):
            if worker.accepts and worker not in self._mirroring:
                await worker.mirror(other.port, most)
                self._mirroring.add(worker)

    async def stop_mirroring(self) -> None:
        """Let no request be copied any more."""
        # A replacement that still loads would take it for what it is to load.
        copying, self._mirroring = self._mirroring, set()
        await asyncio.gather(*(worker.mirror(None) for worker in copying))

    async def end(self, workers: Collection[Worker], seconds: float = _ENDING_SECONDS) -> None:
        """End processes, which have so long for what they are answering."""
        await asyncio.gather(*(self._end(worker, seconds) for worker in workers))

    async def end_all(self, seconds: float) -> None:
        """End every process that is alive, also those that get ready or leave."""
        await self.end(list(self._alive), seconds)

    async def _start(self) -> Worker:
        self._started += 1
        scratch = self._folder / f"worker-{self._started}"
        worker = await Worker.start(self._listener, self._settings, scratch, self._folder / "metrics")
        self._alive.add(worker)
        return worker

    async def _replace(self, place: int) -> None:
        try:
            another = self._serving[place] = await self._start()
            await self.load([another], self.version)
            await another.accept()
        except (FacesentError, OSError) as error:
            # What keeps a replacement from beginning may be the version, or a full disk.
            if isinstance(error, WorkerError) and not is_of_store(str(error)):
                self.ended += 1
            # Whichever is in its place has ended, and the next turn finds it so.
            self._log(f"It could not: {error}")
            await self.end([self._serving[place]])

    async def _fetched(self, version: int) -> Release:
        target = Path(tempfile.mkdtemp(prefix=f"version-{version}-", dir=self._folder))
        try:
            release = await within(_FETCH_SECONDS, lambda: self._fetch(version, target))
        # Of a candidate that cannot be had whatever kind of error must not end those that answer.
        except Exception as error:
            shutil.rmtree(target, ignore_errors=True)
            if not (kept := self._releases.get(version)):
                raise _as_told(version, error) from None
            self._log(f"Loading the copy of version {version} that is here: {error}")
            return kept
        self._copies.add(target)
        wanted = {self.version, self._before, version}
        self._releases = {number: known for number, known in self._releases.items() if number in wanted}
        self._releases[version] = release
        self._remove_copies()
        return release

    def _remove_copies(self) -> None:
        """Those that no process has loaded and none may have to load."""
        used = {release.folder for release in self._releases.values()}
        used |= {worker.folder for worker in self._alive if worker.folder}
        for copy in [copy for copy in self._copies if not any(folder.is_relative_to(copy) for folder in used)]:
            shutil.rmtree(copy, ignore_errors=True)
            self._copies.discard(copy)

    def _drain(self, worker: Worker, seconds: float) -> None:
        async def drain() -> None:
            await worker.drain(seconds)
            await self.end([worker])

        task = asyncio.create_task(drain())
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def _end(self, worker: Worker, seconds: float) -> None:
        await worker.end(seconds)
        mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]
        self._alive.discard(worker)
        self._remove_copies()


def _as_told(version: int, error: Exception) -> Exception:
    """Why a version cannot be had, as what the server expects."""
    if isinstance(error, TimeoutError):
        return FacesentError(f"Expected the files of version {version} within {_FETCH_SECONDS:.0f} seconds.")
    if isinstance(error, FacesentError | OSError):
        return error
    return FacesentError(f"Expected the files of version {version}. Received: {type(error).__name__}: {error}")
