"""What was decided about versions: who became champion when and why, and what a person said of a version.

The changes of the champion are a list that only grows: the versions of a registered model of its own, which MLflow
numbers under a primary key. So promoters on several machines need no lock: of two that found the same champion the
first counts, and an entry that does not begin with the champion of the one before it is void.

An entry is written, in one step, before the aliases are moved, and closed afterwards. MLflow moves one alias at a time;
whoever finds an entry that is open does what is left to do. Aliases that are not where a closed entry left them were
moved by hand, in MLflow's pages.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Literal

from mlflow.tracking import MlflowClient

from facesent.registry.client import fitting_tag, mlflow_answers, repeated_when_taken
from facesent.registry.versions import (
    CHAMPION,
    NAME,
    PREVIOUS,
    VERDICT_TAG,
    RegistryError,
    aliases,
    all_versions,
    get,
    make_registered_model,
)

# The registered model of the entries, and the tags of its versions: the entry, and how it ended.
LOG = f"{NAME}.promotions"
_ABOUT = f"Each change of the champion of {NAME} is a version of this. Do not delete any: promotions go by them."
_ENTRY, _ENDED, _DONE, _GIVEN_UP = "entry", "ended", "done", "given up"
# Each version has to name a source, and these have no files.
_SOURCE = "facesent:/promotions"
# A tag of a version.
_APPROVAL = "facesent.approval"

# Who moved an alias without facesent.
HAND = "hand"

Action = Literal["promote", "rollback"]


class OvertakenError(RegistryError):
    """Another promoter was quicker: its entry counts, and ours is void."""


@dataclass(frozen=True)
class Aliases:
    """The version that is served, and the one that was before."""

    champion: int | None
    previous: int | None


@dataclass(frozen=True)
class Entry:
    """One change of the champion.

    Attributes:
        number: counts those that count, from 1.
        before: the aliases that it found.
        after: the aliases that it makes.
        when: ISO 8601, UTC.
        by: who decided: "gate", or a person.
        why: the gate's reason, or the person's.
        closed: whether the aliases were moved as it says.
        given_up: whether they never can be, since a version was deleted.
        logged: its version in the log; 0 before it is written.
    """

    number: int
    action: Action
    before: Aliases
    after: Aliases
    when: str
    by: str
    why: str
    closed: bool = True
    given_up: bool = False
    logged: int = 0

    def left_at(self, aliases: Aliases) -> bool:
        """Whether a writer that was ended left these aliases; ``champion`` is moved first."""
        return aliases in (self.before, Aliases(self.after.champion, self.before.previous))


@dataclass(frozen=True)
class Record:
    """The registry's aliases and how they came about, the oldest entry first."""

    aliases: Aliases
    entries: tuple[Entry, ...]

    @property
    def last(self) -> Entry | None:
        """The newest entry."""
        return self.entries[-1] if self.entries else None

    @property
    def moved_by_hand(self) -> Entry | None:
        """What somebody did to the champion in MLflow's pages since the last entry; it has no entry yet."""
        last, champion = self.last, self.aliases.champion
        if last is None or not last.closed or champion == last.after.champion:
            return None
        served = {version for entry in self.entries for version in (entry.before.champion, entry.after.champion)}
        action: Action = "rollback" if champion in {*served, None} else "promote"
        why = f"From version {last.after.champion}, in MLflow's pages; noticed now."
        return Entry(last.number + 1, action, last.after, self.aliases, now(), HAND, why)

    def promotion_of(self, version: int) -> Entry | None:
        """The newest entry that made this version champion."""
        return next((entry for entry in reversed(self.entries) if entry.after.champion == version), None)

    def withdrawal_of(self, *versions: int) -> Entry | None:
        """The rollback that took these versions out of service, unless one was made champion again since."""
        for entry in reversed(self.entries):
            if entry.after.champion in versions:
                return None
            if entry.action == "rollback" and entry.before.champion in versions:
                return entry
        return None

    def was_champion(self, version: int) -> bool:
        """Whether this version is or was served, as far as aliases and entries tell."""
        served = [version for entry in self.entries for version in (entry.before.champion, entry.after.champion)]
        return version in (self.aliases.champion, self.aliases.previous, *served)


@dataclass(frozen=True)
class Approval:
    """The question whether a version may be served, and its answer.

    Attributes:
        version: that passed the gate.
        against: the champion that it was judged against, if there was one.
        when: of the question, then of the answer; ISO 8601, UTC.
        by: who answered.
        reason: of the answer.
    """

    version: int
    state: Literal["waiting", "approved", "rejected"]
    against: int | None
    when: str
    by: str = ""
    reason: str = ""

    @property
    def sentence(self) -> str:
        """The state in words, with what to do."""
        match self.state:
            case "waiting":
                return f"Version {self.version} waits for approval: facesent approve {self.version}"
            case "approved":
                return f"Version {self.version} was approved by {self.by}."
            case "rejected":
                why = f": {self.reason.rstrip('.')}" if self.reason else ""
                return (
                    f"Version {self.version} was rejected by {self.by}{why}. "
                    f"To serve it anyway: facesent approve {self.version}"
                )


def read() -> Record:
    """The aliases and the entries that count, as they were at one moment; empty where no model is registered."""
    logged = _logged()
    while True:
        named = aliases()
        again = _logged()
        if again == logged:
            return Record(Aliases(named.get(CHAMPION), named.get(PREVIOUS)), _that_count(logged))
        # Somebody may have moved the aliases meanwhile.
        logged = again


def append(record: Record, action: Action, after: Aliases, *, by: str, why: str) -> Entry:
    """Write down a change that is about to be made, and then to be closed.

    Raises:
        OvertakenError: it is void.
    """
    return write(Entry(0, action, record.aliases, after, now(), fitting_tag(by), fitting_tag(why), closed=False))


def write(entry: Entry) -> Entry:
    """Write a new entry as it is; returns it as it stands in the record.

    Raises:
        OvertakenError: it is void.
    """
    version = _create(entry)
    for counted in read().entries:
        if counted.logged == version:
            return counted
    raise OvertakenError("Expected the champion that was found. Received: another one, as somebody was quicker.")


@repeated_when_taken
def close(entry: Entry, *, given_up: bool = False) -> Entry:
    """Write down that the aliases are where the entry says, or never will be."""
    MlflowClient().set_model_version_tag(LOG, str(entry.logged), _ENDED, _GIVEN_UP if given_up else _DONE)
    return replace(entry, closed=True, given_up=given_up)


def _create(entry: Entry) -> int:
    make_registered_model(LOG, _ABOUT)
    tags = {_ENTRY: json.dumps(asdict(entry)), **({_ENDED: _DONE} if entry.closed else {})}
    # Not awaited: MLflow sleeps before it looks whether a version is ready.
    made = MlflowClient().create_model_version(
        LOG, _SOURCE, tags=tags, description=f"{entry.by}: {entry.why}", await_creation_for=0
    )
    return int(made.version)


def _logged() -> list[Entry]:
    """All entries of the log, those that are void too, the oldest first."""
    entries = []
    for version in MlflowClient().search_model_versions(f"name='{LOG}'"):
        # One that somebody made in MLflow's pages has none.
        if text := version.tags.get(_ENTRY):
            ended = version.tags.get(_ENDED)
            entry = replace(_entry(text), logged=int(version.version))
            entries.append(replace(entry, closed=ended is not None, given_up=ended == _GIVEN_UP))
    return sorted(entries, key=lambda entry: entry.logged)


def _that_count(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """Each that begins with the champion that the one before made."""
    counted: list[Entry] = []
    for entry in entries:
        follows = not counted or entry.before.champion == counted[-1].after.champion
        if follows and not entry.given_up:
            counted.append(replace(entry, number=len(counted) + 1))
    return tuple(counted)


def approval_in(tags: Mapping[str, str]) -> Approval | None:
    """The question that a version's tags hold, if one was asked."""
    text = tags.get(_APPROVAL)
    return Approval(**json.loads(text)) if text else None


@mlflow_answers()
def approval_of(version: int) -> Approval | None:
    """The question about a version and its answer, if one was asked.

    Raises:
        RegistryError: there is no such version.
    """
    return approval_in(get(version).tags)


@repeated_when_taken
def keep(approval: Approval) -> Approval:
    """Write a question or its answer down as a tag of the version."""
    MlflowClient().set_model_version_tag(NAME, str(approval.version), _APPROVAL, json.dumps(asdict(approval)))
    return approval


def waiting() -> list[int]:
    """The versions that wait for an answer, the newest first."""
    # One that was judged again may have been rejected since.
    open_ = [version for version in all_versions() if version.tags.get(VERDICT_TAG) != "REJECTED"]
    asked = {version.number: approval_in(version.tags) for version in open_}
    return [number for number, approval in asked.items() if approval and approval.state == "waiting"]


def now() -> str:
    """The time as entries tell it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _entry(text: str) -> Entry:
    values = json.loads(text)
    return Entry(**{**values, "before": Aliases(**values["before"]), "after": Aliases(**values["after"])})
