"""The state of the version in service: still collecting, as it was, or changed."""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np

from facesent.core.errors import FacesentError
from facesent.core.files import replaced
from facesent.registry import runs, versions
from facesent.registry.artifacts import ALARM, BASELINE, of_version
from facesent.registry.client import mlflow_answers
from facesent.serving.gateway.answers.store import WATCHED, Store
from facesent.watch.alarm import Alarm, Normal, learn
from facesent.watch.cure import Labelled
from facesent.watch.hours import Hours, answers_of, finished, hours_of
from facesent.watch.settings import Watch

State = Literal["collecting", "ready", "quiet", "alarm"]
AlarmResponse = Literal["told", "retrained", "unheard"]
"""What was done about an alarm; unheard: people were told that nothing starts the pipeline."""

# Features that an alarm names.
_NAMED = 3


class WatchError(FacesentError):
    """There is nothing to watch, or too little to accept."""


@dataclass(frozen=True)
class Baseline:
    """What was accepted as usual.

    Attributes:
        since: its first hour.
        until: its last hour.
        names: of the features.
        alarm: learnt from it.
    """

    since: datetime
    until: datetime
    names: Sequence[str]
    alarm: Alarm

    def to_json(self) -> str:
        """As the version's run keeps it."""
        normal = self.alarm.normal
        return json.dumps(
            {
                "since": self.since.isoformat(),
                "until": self.until.isoformat(),
                "names": list(self.names),
                "mean": normal.mean.tolist(),
                "whitening": normal.whitening.tolist(),
                "allowance": self.alarm.allowance,
                "threshold": self.alarm.threshold,
            }
        )

    @classmethod
    def from_json(cls, text: str) -> "Baseline":
        """What ``to_json`` wrote."""
        values: dict[str, Any] = json.loads(text)
        normal = Normal(np.array(values["mean"]), np.array(values["whitening"]))
        alarm = Alarm(normal, values["allowance"], values["threshold"])
        return cls(
            datetime.fromisoformat(values["since"]), datetime.fromisoformat(values["until"]), values["names"], alarm
        )


@dataclass(frozen=True)
class DriftStatus:
    """What was seen.

    Attributes:
        version: the one in service.
        state: of it.
        sentence: the state in words, and what to do.
        hours: all with enough answers.
        baseline: what they are compared with, once it was accepted.
        sums: after each hour since the baseline; above its threshold is an alarm.
        since: the hour of the alarm.
        labels: photos since then that people have labelled.
    """

    version: int
    state: State
    sentence: str
    hours: Hours
    baseline: Baseline | None = None
    sums: Sequence[float] = ()
    since: datetime | None = None
    labels: Labelled | None = None


@mlflow_answers()
def look(store: Store, version: int, labels: Sequence[str], settings: Watch) -> DriftStatus:
    """Compare the answers of a version with its baseline.

    Args:
        store: the opened log.
        version: its number.
        labels: its classes.
        settings: of the watch.

    Raises:
        RegistryError: there is no such version.
        TrackingError: MLflow cannot be reached.
    """
    hours = hours_of(finished(answers_of(store, version)), labels)
    text = runs.read_text(versions.run_of(version), of_version(BASELINE, version))
    if text is None:
        return _without_baseline(version, hours, settings)
    baseline = Baseline.from_json(text)
    if not hours.names:
        sentence = (
            f"Version {version} has no finished hours with answers in the log; the next ones are compared with its "
            "baseline."
        )
        return DriftStatus(version, "collecting", sentence, hours, baseline)
    if list(baseline.names) != list(hours.names):
        sentence = (
            f"Version {version} logs different values than its baseline. Accept a new one: facesent watch --accept"
        )
        return DriftStatus(version, "ready", sentence, hours, baseline)
    sums = baseline.alarm.sums(hours.after(baseline.until).means).tolist()
    over = [place for place, total in enumerate(sums) if total > baseline.alarm.threshold]
    if not over:
        return DriftStatus(version, "quiet", f"Version {version} gets requests as usual.", hours, baseline, sums)
    since = hours.after(baseline.until).starts[over[0]]
    names = ", ".join(_changed(hours.after(baseline.until), baseline))
    sentence = (
        f"Since {since:%Y-%m-%d %H:%M} UTC, version {version} has been getting different photos: {names}. If that is "
        "expected: facesent watch --accept. Otherwise label some: facesent feedback audit"
    )
    return DriftStatus(version, "alarm", sentence, hours, baseline, sums, since)


def _without_baseline(version: int, hours: Hours, settings: Watch) -> DriftStatus:
    count = len(hours.starts)
    if count < settings.baseline_hours:
        sentence = (
            f"Version {version} has {count} hours with enough answers; a baseline needs {settings.baseline_hours}."
        )
        return DriftStatus(version, "collecting", sentence, hours)
    sentence = f"Version {version} has {count} hours. If they were typical: facesent watch --accept"
    return DriftStatus(version, "ready", sentence, hours)


def _changed(hours: Hours, baseline: Baseline) -> list[str]:
    """The features that moved most in the last day, in units of what they do by themselves."""
    recent = hours.means[-24:].mean(axis=0) - baseline.alarm.normal.mean
    # Of uncorrelated differences, back in each feature's own direction.
    usual = np.sqrt(np.diag(np.linalg.pinv(baseline.alarm.normal.whitening @ baseline.alarm.normal.whitening.T)))
    moved = np.abs(recent / np.maximum(usual, 1e-9))
    order = [place for place in np.argsort(-moved)[:_NAMED] if moved[place] >= min(1.0, moved.max())]
    return [f"{baseline.names[place]} {'up' if recent[place] > 0 else 'down'}" for place in order]


@mlflow_answers()
def accept(seen: DriftStatus, settings: Watch) -> Baseline:
    """Take all hours so far as usual, from now on.

    Raises:
        WatchError: they are too few, or the version has no run to keep it.
    """
    count = len(seen.hours.starts)
    if count < settings.baseline_hours:
        raise WatchError(f"Expected {settings.baseline_hours} hours with enough answers. Received: {count}.")
    run_id = versions.run_of(seen.version)
    if not run_id:
        raise WatchError(
            f"Expected a version with a run, to store the baseline there. Received: version {seen.version} without one."
        )
    alarm = learn(
        seen.hours.means,
        quiet_hours=settings.quiet_hours,
        block_hours=settings.block_hours,
        resamples=settings.resamples,
        seed=settings.seed,
    )
    baseline = Baseline(seen.hours.starts[0], seen.hours.starts[-1], seen.hours.names, alarm)
    runs.log_bytes(run_id, of_version(BASELINE, seen.version), baseline.to_json().encode())
    return baseline


def note(seen: DriftStatus, folder: Path) -> None:
    """Leave the state where the server's ``/metrics`` finds it.

    Args:
        seen: what was seen.
        folder: of the log.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    state = {
        "version": seen.version,
        "sum": seen.sums[-1] if seen.sums else 0.0,
        "threshold": seen.baseline.alarm.threshold if seen.baseline else 0.0,
        "alarm": int(seen.state == "alarm"),
        "time": time.time(),
    }
    with replaced(folder / WATCHED) as draft:
        draft.write_text(json.dumps(state), encoding="utf-8")


@dataclass
class Done:
    """Whether something was done about an alarm.

    Attributes:
        already: at an earlier look.
        now: at this one, if its block ends without an error.
    """

    already: bool
    now: bool = True


@contextmanager
def once(seen: DriftStatus, what: AlarmResponse) -> Iterator[Done]:
    """Do something about an alarm in a block, and note it with the version's run; yields whether it was done before."""
    with mlflow_answers():
        run_id = versions.run_of(seen.version)
        note_file = of_version(ALARM, seen.version)
        before = json.loads(runs.read_text(run_id, note_file) or "{}")
    # Somebody may accept a new baseline at any time, also while the block runs.
    compared = {"baseline": seen.baseline.until.isoformat() if seen.baseline else None}
    if before.get("baseline") != compared["baseline"]:
        before = compared
    done = Done(bool(before.get(what)))
    yield done
    if done.already or not done.now:
        return
    with mlflow_answers():
        runs.log_bytes(run_id, note_file, json.dumps({what: datetime.now(UTC).isoformat(), **before}).encode())
