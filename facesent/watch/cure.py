"""What retraining at an alarm takes: labelled photos from after the change, half of them kept for the gate."""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from datetime import datetime
from math import ceil, sqrt
from pathlib import Path

from scipy.stats import norm
from sqlalchemy import select

from facesent.core.files import sha256
from facesent.core.paths import Project
from facesent.dataset.files import METADATA
from facesent.dataset.metadata import Metadata, parse
from facesent.registry import artifacts, runs, versions
from facesent.registry.client import mlflow_answers
from facesent.serving.answers.corrections import AUDIT_LABEL
from facesent.serving.gateway.answers.store import Store
from facesent.serving.gateway.answers.tables import ACCEPTED, answers, corrections

FOLDER = Project().feedback
"""Photos of accepted corrections."""

# Four gains of five are seen; one photo of ten is lost for it.
_POWER, _LOST = 0.8, 0.05
# Fewer have no interval at all.
_LEAST = 6


@dataclass(frozen=True)
class Labelled:
    """The photos since an alarm that people have labelled.

    Attributes:
        groups: of each, by its name below ``FOLDER``: a person, or a client of a day, with audited photos alone.
        needed: so many groups show the gate the gain.
        gain: of which that is said.
    """

    groups: Mapping[str, str]
    needed: int
    gain: float

    @property
    def enough(self) -> bool:
        """Whether a run can lead to a version that passes."""
        return len(set(self.groups.values())) >= self.needed

    @property
    def sentence(self) -> str:
        """How many there are and what they are good for."""
        there = len(set(self.groups.values()))
        return (
            f"There are audited and labelled photos of {there} people or clients since then; at {self.needed} a run "
            f"begins by itself. Half of them are trained on, and by the other half the gate sees a gain of "
            f"{self.gain:.0%} in four cases of five."
        )


def people_needed(gain: float, confidence_level: float) -> int:
    """On how many people's photos a paired comparison shows a gain, and as many again to train on.

    The normal approximation of McNemar's test (Connor 1987, Biometrics 43), where one photo of twenty is lost.

    Args:
        gain: of accuracy.
        confidence_level: of the gate's interval.
    """
    differing = min(gain + 2 * _LOST, 1.0)
    within, seen = float(norm.ppf((1 + confidence_level) / 2)), float(norm.ppf(_POWER))
    ends = within * sqrt(differing) + seen * sqrt(differing - gain**2)
    return 2 * max(_LEAST, ceil((ends / gain) ** 2))


def labelled(store: Store, version: int, since: datetime, gain: float, confidence_level: float) -> Labelled:
    """The audited photos of a version's answers since a moment, as far as they are labelled.

    Clients correct mistakes: on photos that they chose, any other version would be better than this one. A photo that
    somebody has deleted from ``FOLDER`` does not count.

    Args:
        store: the opened log.
        version: that gave the answers.
        since: the hour of the alarm.
        gain: of accuracy on such photos that the gate is to see.
        confidence_level: of the gate's interval.
    """
    chosen = (
        select(answers.c.id)
        .join(corrections, corrections.c.answer_id == answers.c.id)
        .where(answers.c.version == version, answers.c.time >= since)
        .where(answers.c.audit, corrections.c.status == ACCEPTED, *AUDIT_LABEL)
    )
    with store.reading() as connection:
        ids = set(connection.scalars(chosen))
    rows = _rows(FOLDER / METADATA)
    # A person of whom other photos are trained on cannot be tested on.
    trained = {row["group"] for row in rows if row.get("split") == "train"}
    groups = {
        row["file_name"]: row["group"]
        for row in rows
        if Path(row["file_name"]).stem in ids and row["group"] not in trained and (FOLDER / row["file_name"]).is_file()
    }
    return Labelled(groups, people_needed(gain, confidence_level), gain)


@mlflow_answers()
def hand_over(found: Labelled, version: int) -> None:
    """Keep half of the people for the test, and let the gate know which photos are from after the change.

    Who is kept already stays so, and counts: the step may be done again after a failure, with more people.

    Args:
        found: what was labelled.
        version: the champion.
    """
    columns, listed = parse(FOLDER / METADATA)
    kept = _kept(set(found.groups.values()), {row["group"] for row in listed if row.get("split") == "test"})
    rows = [
        {**row, "split": "test" if found.groups.get(row["file_name"]) in kept else row.get("split", "")}
        for row in listed
    ]
    Metadata(tuple(dict.fromkeys([*columns, "split"]))).write(FOLDER / METADATA, rows)
    contents = sorted(sha256(FOLDER / name) for name in found.groups)
    runs.log_bytes(versions.run_of(version), artifacts.SHIFTED, "\n".join(contents).encode())


def _kept(groups: Set[str], tested: Set[str]) -> Set[str]:
    """Half of the groups: those that are tested on, and as many others as are missing."""
    already = groups & tested
    missing = ceil(len(groups) / 2) - len(already)
    return already | set(sorted(groups - already)[::2][: max(0, missing)])


def _rows(metadata: Path) -> list[Mapping[str, str]]:
    return list(parse(metadata)[1]) if metadata.is_file() else []
