"""What a run of the flow did so far, step by step: for its summary, and for what is said where it fails."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from flows.artifacts import grid

_Result = TypeVar("_Result")

_MINUTES_WITH_SECONDS = 10


@dataclass(frozen=True)
class Step:
    """One task of the flow.

    Attributes:
        name: of the task.
        outcome: "ran", "cached" or "failed".
        seconds: that it took, waits and repetitions included.
    """

    name: str
    outcome: str
    seconds: float


@dataclass
class Steps:
    """The steps that ended, in their order."""

    ended: list[Step] = field(default_factory=list)

    @property
    def failed(self) -> str | None:
        """The name of the step that failed, if one did."""
        return next((step.name for step in self.ended if step.outcome == "failed"), None)

    def take(self, name: str, task: Callable[[], _Result]) -> _Result:
        """Run a task and keep how that went; what it returns or raises goes through.

        A task that returns "cached" did not have to run.
        """
        start = time.monotonic()
        outcome = "failed"
        try:
            result = task()
            outcome = "cached" if result == "cached" else "ran"
            return result
        finally:
            self.ended.append(Step(name, outcome, time.monotonic() - start))


def steps_table(steps: Sequence[Step]) -> str:
    """The steps as a markdown table, and what they took together."""
    rows = [(step.name, step.outcome, duration(step.seconds)) for step in steps]
    total = ("all", "", duration(sum(step.seconds for step in steps)))
    return grid(("step", "", "time"), [*rows, total], right=2)


def duration(seconds: float) -> str:
    """A time as people say it.

    Args:
        seconds: 0 or more.
    """
    if seconds < 1:
        return "under 1 s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < _MINUTES_WITH_SECONDS:
        return f"{minutes} min {rest} s" if minutes else f"{rest} s"
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
