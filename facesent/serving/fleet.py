"""The processes of ``facesent serve``: those that answer its clients, those that get ready, and those that leave."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Callable, Collection, Sequence
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
from facesent.serving.workers import Worker, WorkerError

_ENDING_SECONDS = 2.0


class Fleet:
    """The processes of one version in service, and of another one while that gets ready.

    A version is fetched once. A process that is started later, in place of one that died or for the version before,
    loads the same copy, wherever the registry is by then.

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
        # All that are alive, with the version that each has or is to load.
        self._alive: dict[Worker, int] = {}
        self._releases: dict[int, Release] = {}
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
        self._alive |= dict.fromkeys(workers, version)
        release = await self._fetched(version)
        token = os.environ.get(TOKEN_VARIABLES["ask"])
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            await asyncio.gather(*(worker.load(release.folder) for worker in workers))
            for worker in workers:
                if wrong := await asyncio.to_thread(wrong_answer, worker.port, release.questions, headers):
                    raise WorkerError(wrong)
        except WorkerError:
            # What the registry has may be mended before the next try.
            self._drop({version} - {self.version, self._before})
            raise

    async def take_over(self, version: int, workers: list[Worker], leave_seconds: float) -> None:
        """Let processes of a version answer clients from now on.

        Args:
            version: that they have loaded.
            workers: the processes.
            leave_seconds: for those that answered so far, to answer what they were asked; then they are ended.
        """
        async with self._changing:
            leaving, self._serving = self._serving, workers
            self._before, self.version, self.ended = self.version, version, 0
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
        self._alive[worker] = 0
        return worker

    async def _replace(self, place: int) -> None:
        try:
            another = self._serving[place] = await self._start()
            await self.load([another], self.version)
            await another.accept()
        except (FacesentError, OSError) as error:
            # What keeps a replacement from beginning may be the version, or a full disk.
            self.ended += isinstance(error, WorkerError) and not is_of_store(str(error))
            # Whichever is in its place has ended, and the next turn finds it so.
            self._log(f"It could not: {error}")
            await self.end([self._serving[place]])

    async def _fetched(self, version: int) -> Release:
        if version not in self._releases:
            self._drop(self._releases.keys() - {self.version, self._before, *self._alive.values()})
            target = Path(tempfile.mkdtemp(prefix=f"version-{version}-", dir=self._folder))
            try:
                self._releases[version] = await asyncio.to_thread(self._fetch, version, target)
            except (FacesentError, OSError):
                shutil.rmtree(target, ignore_errors=True)
                raise
        return self._releases[version]

    def _drop(self, versions: Collection[int]) -> None:
        for version in versions:
            shutil.rmtree(self._releases.pop(version).folder, ignore_errors=True)

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
        self._alive.pop(worker, None)
