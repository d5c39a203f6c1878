from collections import Counter
from dataclasses import replace

import pytest

from benchmarks.faults import _SAYS_FULL, ABSENCE, DISK, KILL, Case, Ended, planned, rows
from benchmarks.flow_process import TASKS
from benchmarks.sizes import FULL


def test_a_seed_always_gives_the_same_cases_in_all_tasks() -> None:
    cases = planned(FULL, 7)
    assert cases == planned(FULL, 7) != planned(FULL, 8)
    assert Counter(case.kind for case in cases) == dict(zip((KILL, DISK, ABSENCE), FULL.faults, strict=True))
    kills = Counter(case.task for case in cases if case.kind == KILL)
    assert set(kills) == set(TASKS)
    assert max(kills.values()) - min(kills.values()) <= 1
    assert len({case.name for case in cases}) == len(cases)


def test_what_lost_something_is_counted_and_told() -> None:
    cases = [Case(KILL, number, "SIGKILL", "train", 0.5, temporary=False) for number in (1, 2)]
    whole, broken = Ended(cases[0], (), 1.0), Ended(cases[1], ("other bytes: dvc.lock",), 2.5)
    (good,) = rows([whole])
    assert (good.ours, good.theirs, good.reached) == ("nothing lost", "1.0 s", True)
    bad, told = rows([whole, broken])
    assert (bad.what, bad.ours, bad.theirs, bad.reached) == ("SIGKILL: 2 times", "1 lost something", "2.5 s", False)
    assert (told.what, told.ours) == ("kill-2, in train", "other bytes: dvc.lock")
    (late,) = rows([replace(whole, tried=False)])
    assert (late.ours, late.reached) == ("kill-1", None)


@pytest.mark.parametrize(
    ("said", "is_said"),
    [
        ("train: No space left on device: outputs/train. Free disk space, then run it again.", True),
        ("Received: database or disk is full. Free space if its disk is full, then run it again.", True),
        ("FileNotFoundError: disk-5/project/outputs/train", False),
    ],
)
def test_a_full_disk_is_said_by_words_and_not_by_a_folder_of_that_name(said: str, is_said: bool) -> None:
    assert bool(_SAYS_FULL.search(said)) == is_said
