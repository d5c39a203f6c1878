"""How a sweep counts the trials that failed."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from facesent.experiments.trial_process import TrialFailedError, TrialInterruptedError
from flows import sweep


class Trials:
    """A sweep whose trials fail as planned, and its task."""

    def __init__(self, *fails: bool, wanted: int, error: type[Exception] = TrialFailedError) -> None:
        self._fails, self._error = iter(fails), error
        self.missing = wanted
        self.run: list[str] = []

    def next_trial(self) -> Any:
        return SimpleNamespace(number=len(self.run))

    def with_options(self, name: str, task_run_name: str) -> Any:
        def run(*_: Any) -> None:
            self.run.append(task_run_name)
            if next(self._fails):
                raise self._error("no memory")
            self.missing -= 1

        return run


def run_missing(monkeypatch: pytest.MonkeyPatch, trials: Trials) -> Sequence[str]:
    monkeypatch.setattr(sweep, "run_trial", trials)
    sweep._run_missing(trials)  # type: ignore[arg-type]
    return trials.run


def test_a_trial_that_failed_is_tried_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    trials = Trials(True, False, True, True, False, wanted=2)
    assert run_missing(monkeypatch, trials) == [f"trial-{number}" for number in range(5)]
    assert trials.missing == 0


def test_three_that_fail_one_after_the_other_end_the_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    trials = Trials(False, True, True, True, wanted=9)
    with pytest.raises(TrialFailedError):
        run_missing(monkeypatch, trials)
    assert len(trials.run) == 4


def test_one_that_was_interrupted_ends_the_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    trials = Trials(True, wanted=9, error=TrialInterruptedError)
    with pytest.raises(TrialInterruptedError):
        run_missing(monkeypatch, trials)
    assert len(trials.run) == 1
