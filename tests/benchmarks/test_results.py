import pytest

from benchmarks.contest import Timing
from benchmarks.results import Result, bounded, compared, noted, to_markdown

FAST = Timing("ours", (1.0, 1.0, 1.2), work=10)
SLOW = Timing("theirs", (2.0, 1.9, 2.4), work=10)


@pytest.mark.parametrize(
    ("bound", "goal", "reached"),
    [({"at_most": 0.6}, "≤ 0.6×", True), ({"at_most": 0.4}, "≤ 0.4×", False), ({}, "", None)],
)
def test_times_are_compared_by_their_medians(bound: dict[str, float], goal: str, reached: bool | None) -> None:
    row = compared("a step", FAST, SLOW, **bound)

    assert (row.ours, row.peer, row.theirs) == ("1 s (1-1.2)", "theirs", "2 s (1.9-2.4)")
    assert (row.ratio, row.goal, row.reached) == (0.5, goal, reached)


def test_throughputs_are_units_of_work_a_second() -> None:
    row = compared("images", FAST, Timing("theirs", (2.0,), work=40), at_least=0.5, unit="images/s")

    assert (row.ours, row.theirs) == ("10 images/s (8.33-10)", "20 images/s (20-20)")
    assert (row.ratio, row.goal, row.reached) == (0.5, "≥ 0.5×", True)


def test_without_its_peer_a_goal_is_neither_reached_nor_missed() -> None:
    row = compared("a step", FAST, Timing("theirs", (), absent="died (status -11, SIGSEGV)"), at_most=0.6)
    assert (row.peer, row.theirs, row.ratio) == ("theirs", "died (status -11, SIGSEGV)", None)
    assert (row.goal, row.reached) == ("≤ 0.6×", None)


def test_bounds_are_in_the_unit_of_the_figure() -> None:
    assert bounded("import", FAST, at_most=300, unit="ms").reached is False
    memory = bounded("memory", 1536.0, at_most=4096, unit="MiB")
    assert (memory.ours, memory.goal, memory.reached) == ("1,536 MiB", "≤ 4096 MiB", True)


def test_only_one_goal_a_row() -> None:
    with pytest.raises(ValueError, match="at_most or at_least"):
        compared("a step", FAST, SLOW, at_most=1, at_least=2)


def test_the_table_has_a_row_a_result() -> None:
    text = to_markdown([compared("a step", FAST, SLOW, at_most=0.4), noted("a | b", "5 s"), Result("x", "y", "1 s")])

    rows = text.splitlines()
    assert len(rows) == 5
    assert [cell.strip() for cell in rows[2].strip("|").split(" | ")][-3:] == ["0.50×", "≤ 0.4×", "NO"]
    assert r"a \| b" in rows[3]
