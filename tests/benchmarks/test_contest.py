import contextlib
import os
import signal
import subprocess
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path

import psutil
import pytest

from benchmarks.contest import Contestant, ContestError, Timing, contest, fastest


def writer(letter: str, file: Path) -> Contestant:
    """A contestant whose process notes its turn in ``file``: ``partial`` is its prepare, and gives the work."""
    command = ["sh", "-c", f'printf {letter} >> "$0"', str(file)]
    return Contestant(letter, partial(partial, subprocess.check_call, command), work=3)


def test_contestants_take_turns_and_warmups_do_not_count(tmp_path: Path) -> None:
    timings = contest([writer("A", tmp_path / "turns"), writer("B", tmp_path / "turns")], rounds=3, warmups=2)

    # Nobody always follows the other.
    assert (tmp_path / "turns").read_text() == "ABBAABBAAB"
    assert [(name, timing.name, timing.work) for name, timing in timings.items()] == [("A", "A", 3), ("B", "B", 3)]
    assert all(len(timing.seconds) == 3 for timing in timings.values())
    assert all(seconds > 0 for timing in timings.values() for seconds in timing.seconds)


def peer(name: str, *prepare: object) -> Contestant:
    return Contestant(name, partial(*prepare), peer=True)  # type: ignore[arg-type]


def test_peers_that_drop_out_say_why_and_the_others_go_on(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    last_words = ["sh", "-c", "echo it cannot be; kill -ABRT $PPID"]
    contestants = [
        peer("Missing", import_module, "no_such_peer"),
        peer("Wrong", partial, int, "x"),
        peer("Ended", partial, os._exit, 3),
        peer("Aborted", partial, subprocess.call, last_words),
        peer("Unprepared", subprocess.call, last_words),
        writer("A", tmp_path / "turns"),
    ]
    timings = contest(contestants, rounds=2, warmups=0)

    assert [len(timing.seconds) for timing in timings.values()] == [0, 0, 0, 0, 0, 2]
    assert {name: timing.absent for name, timing in timings.items()} == {
        "Missing": "not installed",
        "Wrong": "failed: ValueError: invalid literal for int() with base 10: 'x'",
        "Ended": "died (status 3)",
        "Aborted": "died (status -6, SIGABRT): it cannot be",
        "Unprepared": "died (status -6, SIGABRT): it cannot be",
        "A": "",
    }
    printed = capfd.readouterr().err
    assert "Missing drops out. no_such_peer is not installed" in printed
    assert "Traceback (most recent call last)" in printed


def test_a_peer_that_is_killed_is_noticed_while_its_own_processes_live_and_they_end_with_it(tmp_path: Path) -> None:
    note = tmp_path / "child"
    timings = contest([peer("Killed", leave_a_child_and_die, note)], rounds=1)

    assert timings["Killed"].absent == "died (status -9, SIGKILL)"
    assert ended(int(note.read_text()))


def test_whatever_a_contestant_started_and_left_ends_with_it(tmp_path: Path) -> None:
    note = tmp_path / "child"
    timings = contest([Contestant("Careless", partial(partial, leave_a_child, note))], rounds=1, warmups=0)

    assert len(timings["Careless"].seconds) == 1
    assert ended(int(note.read_text()))


def leave_a_child_and_die(note: Path) -> None:
    """The child holds all that was open, as a compiler's workers do."""
    leave_a_child(note)
    os.kill(os.getpid(), signal.SIGKILL)


def leave_a_child(note: Path) -> None:
    child = os.fork()
    if child == 0:
        signal.pause()
    note.write_text(str(child))


def ended(pid: int) -> bool:
    """It is gone, or a zombie that nobody has waited for yet."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        return process.status() == psutil.STATUS_ZOMBIE or pid in {p.pid for p in psutil.wait_procs([process], 10)[0]}
    return True


@pytest.mark.parametrize("module", ["benchmarks.gone", "facesent.gone"])
def test_a_module_of_ours_that_is_gone_is_no_peer_that_is_not_installed(module: str) -> None:
    timings = contest([peer("Peer", import_module, module)], rounds=1)
    assert timings["Peer"].absent == f"failed: ModuleNotFoundError: No module named '{module}'"


def test_a_contestant_that_fails_or_dies_stops_the_contest_by_name() -> None:
    with pytest.raises(ContestError, match=r"(?s)Expected Wrong to work.*ValueError: invalid literal"):
        contest([Contestant("Wrong", partial(partial, int, "x"))], rounds=1)
    with pytest.raises(ContestError, match=r"Dead.*status 3"):
        contest([Contestant("Dead", partial(partial, os._exit, 3))], rounds=1)
    with pytest.raises(ContestError, match="no_such_library is not installed"):
        contest([Contestant("Ours", partial(import_module, "no_such_library"))], rounds=1)  # type: ignore[arg-type]


def test_the_fastest_takes_the_least_time_for_a_unit() -> None:
    absent, slow = Timing("absent", (), absent="not installed"), Timing("slow", (4.0,), work=2)
    quick = Timing("quick", (5.0,), work=10)
    assert fastest([slow, quick]) == quick
    assert fastest([absent, slow, quick]) == replace(quick, missing=("absent",))
    assert fastest([absent]) is absent


def test_names_must_differ(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Received: A, A"):
        contest([writer("A", tmp_path / "turns")] * 2, rounds=1)


def test_a_timing_is_its_median_and_quartiles() -> None:
    timing = Timing("x", (5.0, 1.0, 2.0, 3.0, 4.0))
    assert (timing.low, timing.median, timing.high) == (1.5, 3, 4.5)
    few = Timing("x", (2.0, 1.0))
    assert (few.low, few.median, few.high) == (1, 1.5, 2)
