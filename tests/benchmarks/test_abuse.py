from collections.abc import Sequence

import pytest

from benchmarks.abuse import failing_line, judged
from benchmarks.bad_requests import Expected, Request
from benchmarks.load import Reply

MLFLOW = (
    'File "/home/me/facesent/.venv/lib/python3.11/site-packages/mlflow/pyfunc/scoring_server/__init__.py", line 279'
)
PACKAGED = 'File "/tmp/x/mlruns/1/models/m-1/artifacts/code/facesent/images/reading.py", line 40'
MODEL = 'File "/tmp/x/mlruns/1/models/m-1/artifacts/served.py", line 69'
PANDAS = 'File "/usr/lib/python3.11/site-packages/pandas/core/frame.py", line 1'


def replies(statuses: Sequence[int], expected: Expected = Expected.REFUSED) -> list[Reply]:
    return [Reply(Request("kind", b"", expected), status, 0.1, b"") for status in statuses]


@pytest.mark.parametrize(
    ("frames", "line"),
    [
        ([MLFLOW, PANDAS], "mlflow/pyfunc/scoring_server/__init__.py:279"),
        ([MLFLOW, PACKAGED, PANDAS], "facesent/images/reading.py:40"),
        ([MLFLOW, MODEL, MLFLOW], "served.py:69"),
        ([MLFLOW, MODEL, PACKAGED], "facesent/images/reading.py:40"),
        ([PANDAS], ""),
    ],
)
def test_the_line_that_failed_is_found_and_is_ours_where_ours_ran(frames: list[str], line: str) -> None:
    trace = "Traceback (most recent call last):\n" + "\n".join(f"  {frame}, in it\n    it()" for frame in frames)
    assert failing_line(trace) == line
    assert failing_line(trace.replace('"', '\\"')) == line


@pytest.mark.parametrize(
    ("statuses", "expected", "reached"),
    [
        ([400, 415], Expected.REFUSED, True),
        ([400, 200], Expected.REFUSED, False),
        ([400, 0], Expected.REFUSED, False),
        ([200, 200], Expected.ANSWERED, True),
        ([200, 400], Expected.ANSWERED, False),
        ([200, 400], Expected.EITHER, True),
        ([0, 0], Expected.NOTHING, True),
    ],
)
def test_a_kind_is_judged_by_all_of_its_answers(statuses: list[int], expected: Expected, reached: bool) -> None:
    row = judged("kind", replies(statuses, expected), lambda reply: "")
    assert row.reached is reached
    assert row.goal == expected.value


def test_what_mlflow_fails_at_is_named_and_not_judged() -> None:
    row = judged("kind", replies([500, 500, 400]), lambda reply: "mlflow/a.py:1")
    assert (row.ours, row.peer, row.theirs) == ("1 × 400, 2 × 500", "MLflow's own, at", "mlflow/a.py:1")
    assert row.reached is None


@pytest.mark.parametrize("line", ["served.py:69", "facesent/images/reading.py:40", ""])
def test_any_other_failure_of_the_server_is_ours(line: str) -> None:
    assert judged("kind", replies([500, 400]), lambda reply: line).reached is False


def test_a_failure_of_mlflow_does_not_hide_a_wrong_answer() -> None:
    assert judged("kind", replies([500, 200]), lambda reply: "mlflow/a.py:1").reached is False
