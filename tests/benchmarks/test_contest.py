import os
import subprocess
from functools import partial
from importlib import import_module
from pathlib import Path

import pytest

from benchmarks.contest import Contestant, ContestError, Timing, contest


def writer(letter: str, file: Path) -> Contestant:
    """A contestant whose process notes its turn in ``file``: ``partial`` is its prepare, and gives the work."""
    command = ["sh", "-c", f'printf {letter} >> "$0"', str(file)]
    return Contestant(letter, partial(partial, subprocess.check_call, command), work=3)


def test_contestants_take_turns_and_warmups_do_not_count(tmp_path: Path) -> None:
    timings = contest([writer("A", tmp_path / "turns"), writer("B", tmp_path / "turns")], rounds=3, warmups=2)

    assert (tmp_path / "turns").read_text() == "AB" * 5
    assert [(name, timing.name, timing.work) for name, timing in timings.items()] == [("A", "A", 3), ("B", "B", 3)]
    assert all(len(timing.seconds) == 3 for timing in timings.values())
    assert all(seconds > 0 for timing in timings.values() for seconds in timing.seconds)


def test_a_peer_that_is_not_installed_is_left_out_with_a_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    missing = Contestant("Peer", partial(import_module, "no_such_peer"))  # type: ignore[arg-type]
    timings = contest([missing, writer("A", tmp_path / "turns")], rounds=1, warmups=0)

    assert list(timings) == ["A"]
    assert "Peer is left out: no_such_peer is not installed" in capfd.readouterr().err


def test_a_contestant_that_fails_or_dies_stops_the_contest_by_name() -> None:
    with pytest.raises(ContestError, match=r"(?s)Expected Wrong to work.*ValueError: invalid literal"):
        contest([Contestant("Wrong", partial(partial, int, "x"))], rounds=1)
    with pytest.raises(ContestError, match=r"Dead.*status 3"):
        contest([Contestant("Dead", partial(partial, os._exit, 3))], rounds=1)


def test_names_must_differ(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Received: A, A"):
        contest([writer("A", tmp_path / "turns")] * 2, rounds=1)


def test_a_timing_is_its_median_and_quartiles() -> None:
    timing = Timing("x", (5.0, 1.0, 2.0, 3.0, 4.0))
    assert (timing.low, timing.median, timing.high) == (1.5, 3, 4.5)
    few = Timing("x", (2.0, 1.0))
    assert (few.low, few.median, few.high) == (1, 1.5, 2)
