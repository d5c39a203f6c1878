"""Time several ways to do one thing so that they can be compared: on one machine, at one time, in turns."""

import multiprocessing
import statistics
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection

Work = Callable[[], object]


class ContestError(RuntimeError):
    """A contestant failed; the message holds its traceback."""


@dataclass(frozen=True)
class Contestant:
    """One way to do the thing.

    Args:
        name: as printed, such as ``PyTorch eager, bfloat16``.
        prepare: sets up and returns the work of one round. It is called in a process of its own, so that it must be a
            function of a module, or a ``functools.partial`` of one. The work returns when it is done.
        work: units (images, steps, requests) that one call does, where throughput is compared.
    """

    name: str
    prepare: Callable[[], Work]
    work: float = 1.0


@dataclass(frozen=True)
class Timing:
    """The seconds of each round of one contestant, and the units that one round does."""

    name: str
    seconds: tuple[float, ...]
    work: float = 1.0

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
    """Time each contestant in a process of its own, in interleaved rounds: A B C, A B C, ...

    A machine's speed changes within minutes; in turns, all contestants meet the same changes. Only one runs at a time.

    Args:
        contestants: with different names.
        rounds: timed calls of each.
        warmups: calls of each before, which do not count.

    Returns:
        A timing by name. A contestant whose ``prepare`` raises ModuleNotFoundError is left out, with a line on stderr.

    Raises:
        ContestError: a contestant raised something else, or its process died.
    """
    seconds: dict[str, list[float]] = {}
    with _players(contestants) as players:
        for player in players:
            if player.prepared():
                seconds[player.contestant.name] = []
        playing = [player for player in players if player.contestant.name in seconds]
        for turn in range(warmups + rounds):
            for player in playing:
                taken = player.play()
                if turn >= warmups:
                    seconds[player.contestant.name].append(taken)
    works = {contestant.name: contestant.work for contestant in contestants}
    return {name: Timing(name, tuple(taken), works[name]) for name, taken in seconds.items()}


class _Player:
    """A contestant's process, seen from outside; it sleeps unless it is asked for a round."""

    def __init__(self, contestant: Contestant) -> None:
        context = multiprocessing.get_context("spawn")
        self.contestant = contestant
        self._pipe, pipe = context.Pipe()
        # A daemon could start no processes of its own, and some contestants are servers.
        self._process = context.Process(target=_play, args=(contestant.prepare, pipe), name=contestant.name)
        self._process.start()
        pipe.close()

    def prepared(self) -> bool:
        """Let it set up; False, said on stderr, where a package that it needs is missing."""
        missing = self._ask()
        if missing:
            print(
                f"{self.contestant.name} is left out: {missing} is not installed. "
                "Get the peers with: pip install -e '.[benchmarks]'",
                file=sys.stderr,
                flush=True,
            )
        return not missing

    def play(self) -> float:
        """The seconds of one round."""
        return float(self._ask())

    def end(self) -> None:
        """Let it go; a process that does not listen is ended."""
        self._pipe.close()
        self._process.join(timeout=10)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def _ask(self) -> str | float:
        try:
            self._pipe.send(None)
            kind, value = self._pipe.recv()
        except (EOFError, OSError):
            self._process.join()
            raise ContestError(
                f"Expected an answer of {self.contestant.name}. "
                f"Received: its process ended with status {self._process.exitcode}."
            ) from None
        if kind == "failed":
            raise ContestError(f"Expected {self.contestant.name} to work. Received:\n{value}")
        answer: str | float = value
        return answer


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


def _play(prepare: Callable[[], Work], pipe: Connection) -> None:
    """A contestant's process: answer the first message when all is set up, each further one with a round's seconds."""
    try:
        pipe.recv()
        try:
            work = prepare()
        except ModuleNotFoundError as error:
            pipe.send(("missing", error.name or str(error)))
            return
        pipe.send(("ready", ""))
        while True:
            pipe.recv()
            start = time.perf_counter()
            work()
            pipe.send(("done", time.perf_counter() - start))
    except EOFError:
        return
    except Exception:
        pipe.send(("failed", traceback.format_exc()))
