"""Time several ways to do one thing so that they can be compared: on one machine, at one time, in turns."""

import multiprocessing
import os
import signal
import statistics
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import NamedTemporaryFile

Work = Callable[[], object]

_SECONDS_BETWEEN_LOOKS = 1.0
_GRACE_SECONDS = 10.0
_MOST_SHOWN = 120
_OURS = ("benchmarks", "facesent", "flows")


class ContestError(RuntimeError):
    """A contestant of ours did not finish; the message holds its traceback."""


class _Out(Exception):
    """A contestant can't go on; the message is what a table says of it, ``details`` are for the one who repairs it."""

    def __init__(self, message: str, details: str = "") -> None:
        super().__init__(message)
        self.details = details or message


@dataclass(frozen=True)
class Contestant:
    """One way to do the thing.

    Args:
        name: as printed, such as ``PyTorch eager, bfloat16``.
        prepare: sets up and returns the work of one round. It is called in a process of its own, so that it must be a
            function of a module, or a ``functools.partial`` of one. The work returns when it is done.
        work: units (images, steps, requests) that one call does, where throughput is compared.
        peer: what people would use instead. One that isn't installed, fails or dies is told of and costs nothing else.
    """

    name: str
    prepare: Callable[[], Work]
    work: float = 1.0
    peer: bool = False


@dataclass(frozen=True)
class Timing:
    """The seconds of each round of one contestant, and the units that one round does.

    ``absent`` says why a peer has no seconds: ``not installed``, how it failed, or how it died. ``missing`` names those
    that dropped out before this one was found to be the fastest.
    """

    name: str
    seconds: tuple[float, ...]
    work: float = 1.0
    absent: str = ""
    missing: tuple[str, ...] = ()

    @property
    def median(self) -> float:
        """Of the seconds."""
        return statistics.median(self.seconds)

    @property
    def low(self) -> float:
        """The lower quartile of the seconds; below four rounds their minimum."""
        return min(self.seconds) if len(self.seconds) < 4 else statistics.quantiles(self.seconds, n=4)[0]

    @property
    def high(self) -> float:
        """The upper quartile of the seconds; below four rounds their maximum."""
        return max(self.seconds) if len(self.seconds) < 4 else statistics.quantiles(self.seconds, n=4)[2]


def contest(contestants: Sequence[Contestant], rounds: int, warmups: int = 1) -> dict[str, Timing]:
    """Let all set up, then call each once a round, in turns; who begins changes, so that nobody always follows another.

    Args:
        contestants: with different names.
        rounds: timed calls of each.
        warmups: calls of each before, which do not count.

    Returns:
        A timing by name; of a peer that dropped out, one that says why.

    Raises:
        ContestError: a contestant that is no peer failed, or its process died.
    """
    with _players(contestants) as players:
        for player in players:
            player.prepare()
        for turn in range(warmups + rounds):
            first = turn % len(players)
            for player in players[first:] + players[:first]:
                player.play(counts=turn >= warmups)
        return {player.contestant.name: player.timing() for player in players}


def fastest(timings: Sequence[Timing]) -> Timing:
    """The one with the fewest seconds a unit of work, and who is missing; the first, where none has any."""
    present = [timing for timing in timings if not timing.absent]
    if not present:
        return timings[0]
    best = min(present, key=lambda timing: timing.median / timing.work)
    return replace(best, missing=tuple(timing.name for timing in timings if timing.absent))


class _Player:
    """A contestant's process, seen from outside; it sleeps unless it is asked for a round."""

    def __init__(self, contestant: Contestant) -> None:
        context = multiprocessing.get_context("spawn")
        self.contestant = contestant
        self._seconds: list[float] = []
        self._absent = ""
        self._pipe, pipe = context.Pipe()
        with NamedTemporaryFile(prefix="contestant-", delete=False) as log:
            self._log = Path(log.name)
        # A daemon could start no processes of its own, and some contestants are servers.
        arguments = (contestant.prepare, pipe, self._log)
        self._process = context.Process(target=_play, args=arguments, name=contestant.name)
        self._process.start()
        pipe.close()

    def prepare(self) -> None:
        """Let it set up."""
        self._ask()

    def play(self, *, counts: bool) -> None:
        """Let it do one round, unless it has dropped out."""
        if not self._absent:
            seconds = self._ask()
            if counts:
                self._seconds.append(seconds)

    def timing(self) -> Timing:
        """Of the rounds that count; without any where it dropped out in the midst of them."""
        seconds = () if self._absent else tuple(self._seconds)
        return Timing(self.contestant.name, seconds, self.contestant.work, self._absent)

    def end(self) -> None:
        """Let it go, and pass on what it printed; a process that does not listen is ended, and whatever it started."""
        self._pipe.close()
        deadline = time.monotonic() + _GRACE_SECONDS
        # join(timeout) would also wait for what the process forked.
        while self._process.is_alive() and time.monotonic() < deadline:
            time.sleep(0.02)
        self._process.kill()
        if self._process.pid:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.join()
        print(self._printed(), end="", file=sys.stderr, flush=True)
        self._log.unlink()

    def _ask(self) -> float:
        try:
            return self._answer()
        except _Out as out:
            if not self.contestant.peer:
                raise ContestError(f"Expected {self.contestant.name} to work. Received: {out.details}") from None
            self._absent = str(out)
            print(f"{self.contestant.name} drops out. {out.details}", file=sys.stderr, flush=True)
            return 0.0

    def _answer(self) -> float:
        try:
            self._pipe.send(None)
            # What the process forked keeps its end of the pipe open: when it dies, only its status says so.
            while not self._pipe.poll(_SECONDS_BETWEEN_LOOKS):
                if not self._process.is_alive() and not self._pipe.poll():
                    raise EOFError
            kind, value = self._pipe.recv()
        except (EOFError, OSError):
            self._process.join()
            raise _Out(self._how_it_died()) from None
        if kind == "missing":
            raise _Out("not installed", f"{value} is not installed; the peers come with: pip install '.[benchmarks]'")
        if kind == "failed":
            raise _Out(_short(f"failed: {value.strip().splitlines()[-1]}"), value)
        return float(value)

    def _how_it_died(self) -> str:
        status = self._process.exitcode or 0
        with suppress(ValueError):
            return self._with_last_line(f"died (status {status}, {signal.Signals(-status).name})")
        return self._with_last_line(f"died (status {status})")

    def _with_last_line(self, text: str) -> str:
        lines = [line.strip() for line in self._printed().splitlines() if line.strip()]
        return _short(f"{text}: {lines[-1]}") if lines else text

    def _printed(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")


def _short(text: str) -> str:
    return text if len(text) <= _MOST_SHOWN else f"{text[: _MOST_SHOWN - 1]}…"


@contextmanager
def _players(contestants: Sequence[Contestant]) -> Iterator[list[_Player]]:
    names = [contestant.name for contestant in contestants]
    if len(set(names)) < len(names):
        raise ValueError(f"Expected contestants with different names. Received: {', '.join(names)}")
    players: list[_Player] = []
    try:
        for contestant in contestants:
            players.append(_Player(contestant))
        yield players
    finally:
        for player in players:
            player.end()


def _play(prepare: Callable[[], Work], pipe: Connection, log: Path) -> None:
    """A contestant's process: answer the first message when all is set up, each further one with a round's seconds."""
    # Those that it starts end with it, even if it is killed.
    os.setpgid(0, 0)
    with log.open("ab") as output:
        for stream in (1, 2):
            os.dup2(output.fileno(), stream)
    try:
        pipe.recv()
        try:
            work = prepare()
        except ModuleNotFoundError as error:
            # A module of ours that is not found was renamed.
            if (error.name or "").partition(".")[0] in _OURS:
                raise
            pipe.send(("missing", error.name or str(error)))
            return
        pipe.send(("ready", 0.0))
        while True:
            pipe.recv()
            start = time.perf_counter()
            work()
            pipe.send(("done", time.perf_counter() - start))
    except EOFError:
        return
    except Exception:
        pipe.send(("failed", traceback.format_exc()))
