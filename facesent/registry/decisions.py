"""Who became champion when, by whom and why: a list on the registered model that only grows.

An entry is written, in one step, before the aliases are moved. MLflow moves one alias at a time; whoever finds aliases
between an entry's "before" and "after" knows that its writer was ended, and what is left to do.
"""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Literal

from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from facesent.registry.versions import CHAMPION, MISSING, NAME, PREVIOUS

# A tag an entry: MLflow's databases take 5,000 characters a tag of a registered model.
_PREFIX = "facesent.promotion."
_LONGEST_TEXT = 1000

Action = Literal["promote", "rollback"]


@dataclass(frozen=True)
class Aliases:
    """The version that is served, and the one that was before."""

    champion: int | None
    previous: int | None


@dataclass(frozen=True)
class Entry:
    """One change of the champion.

    Attributes:
        number: counts the entries, from 1.
        before: the aliases that it found.
        after: the aliases that it makes.
        when: ISO 8601, UTC.
        by: who decided: "gate", or a person.
        why: the gate's reason, or the person's.
    """

    number: int
    action: Action
    before: Aliases
    after: Aliases
    when: str
    by: str
    why: str

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

    def promotion_of(self, version: int) -> Entry | None:
        """The newest entry that made this version champion."""
        return next((entry for entry in reversed(self.entries) if entry.after.champion == version), None)

    def withdrawal_of(self, version: int) -> Entry | None:
        """The rollback that took this version out of service, unless it was made champion again since."""
        for entry in reversed(self.entries):
            if entry.after.champion == version:
                return None
            if entry.action == "rollback" and entry.before.champion == version:
                return entry
        return None

    def was_champion(self, version: int) -> bool:
        """Whether this version is or was served, as far as aliases and entries tell."""
        served = [version for entry in self.entries for version in (entry.before.champion, entry.after.champion)]
        return version in (self.aliases.champion, self.aliases.previous, *served)


def read() -> Record:
    """The aliases and the entries, in one question to the registry; empty where no model is registered."""
    try:
        model = MlflowClient().get_registered_model(NAME)
    except MlflowException as error:
        if error.error_code in MISSING:
            return Record(Aliases(None, None), ())
        raise
    named = {alias: int(version) for alias, version in model.aliases.items()}
    entries = [_entry(value) for name, value in model.tags.items() if name.startswith(_PREFIX)]
    aliases = Aliases(named.get(CHAMPION), named.get(PREVIOUS))
    return Record(aliases, tuple(sorted(entries, key=lambda entry: entry.number)))


def append(record: Record, action: Action, after: Aliases, *, by: str, why: str) -> Entry:
    """Write down a change that is about to be made."""
    number = record.last.number + 1 if record.last else 1
    entry = Entry(number, action, record.aliases, after, now(), by[:_LONGEST_TEXT], why[:_LONGEST_TEXT])
    MlflowClient().set_registered_model_tag(NAME, f"{_PREFIX}{number:05d}", json.dumps(asdict(entry)))
    return entry


def now() -> str:
    """The time as entries tell it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _entry(text: str) -> Entry:
    values = json.loads(text)
    return Entry(**{**values, "before": Aliases(**values["before"]), "after": Aliases(**values["after"])})
