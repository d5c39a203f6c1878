"""The registered versions as people ask for them: how good, what the gate said, when and why."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from facesent.registry import decisions
from facesent.registry.client import mlflow_answers
from facesent.registry.decisions import Approval, Entry, Record
from facesent.registry.versions import REASON_TAG, RETRAIN_TAG, VERDICT_TAG, Version, all_versions


@dataclass(frozen=True)
class Listed:
    """A version with what was decided about it.

    Attributes:
        version: as the registry has it.
        approval: what a person was asked and said.
        entries: the changes that made it champion or took it away, the oldest first.
        withdrawn: the rollback that keeps it out of service.
    """

    version: Version
    approval: Approval | None
    entries: tuple[Entry, ...]
    withdrawn: Entry | None

    @property
    def number(self) -> int:
        """The version's number."""
        return self.version.number

    @property
    def aliases(self) -> tuple[str, ...]:
        """The version's aliases, sorted."""
        return self.version.aliases

    @property
    def accuracy(self) -> str:
        """On the test split, with its interval."""
        accuracy, interval = self.version.accuracy, self.version.accuracy_interval
        if accuracy is None:
            return ""
        return f"{accuracy:.1%}" + (f" ({interval[0]:.1%} to {interval[1]:.1%})" if interval else "")

    @property
    def macro_recall(self) -> str:
        """On the test split; empty for versions that are older than the tag."""
        share = self.version.tags.get("test_macro_recall")
        return f"{float(share):.1%}" if share else ""

    @property
    def verdict(self) -> str:
        """The gate's outcome; empty where it was not asked."""
        return self.version.tags.get(VERDICT_TAG, "")

    @property
    def when(self) -> datetime:
        """When it last became champion or was rolled back; else when it was registered."""
        return datetime.fromisoformat(self._last.when) if self._last else self.version.created

    @property
    def why(self) -> str:
        """What explains its present state, as a sentence."""
        if reason := self.version.retrain_reason:
            return f"{RETRAIN_TAG}: {reason}"
        if self.approval and self.approval.state != "approved":
            return self.approval.sentence
        if self._last is None:
            return self.version.tags.get(REASON_TAG, "")
        did = {"promote": "promoted", "rollback": "rolled back"}[self._last.action]
        to = " to" if self._last.action == "rollback" and self._last.after.champion == self.number else ""
        by = f" by {self._last.by}" if self._last.by else ""
        return f"{did}{to}{by}: {self._last.why}"

    @property
    def _last(self) -> Entry | None:
        made_champion = [entry for entry in self.entries if entry.after.champion == self.number]
        return self.withdrawn or (made_champion[-1] if made_champion else None)

    def as_dict(self) -> dict[str, Any]:
        """Everything, for JSON."""
        return {
            **asdict(self.version),
            "created": self.version.created.isoformat(),
            "verdict": self.verdict,
            "when": self.when.isoformat(),
            "why": self.why,
            "approval": asdict(self.approval) if self.approval else None,
            "promotions": [asdict(entry) for entry in self.entries],
        }


@mlflow_answers()
def listed() -> list[Listed]:
    """All versions, the newest first."""
    record = decisions.read()
    if entry := record.moved_by_hand:
        record = Record(record.aliases, (*record.entries, entry))
    return [_listed(version, record) for version in all_versions()]


def _listed(version: Version, record: Record) -> Listed:
    number = version.number
    entries = [entry for entry in record.entries if number in (entry.before.champion, entry.after.champion)]
    return Listed(version, decisions.approval_in(version.tags), tuple(entries), record.withdrawal_of(number))
