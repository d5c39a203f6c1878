"""What is known of a model after the gate, as plain values for the page."""

from dataclasses import dataclass, field

from facesent.evaluation.intervals import Estimate


@dataclass(frozen=True)
class Row:
    """One comparison of the gate as people read it; ``note`` may be empty, ``passed`` is None where it is not known."""

    metric: str
    value: str
    threshold: str
    passed: bool | None
    note: str


@dataclass(frozen=True)
class DifferenceRow:
    """The candidate's measure less the champion's, on the same test images, with its interval; -1..1."""

    measure: str
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Judgement:
    """What is known after the gate; shown beside the report.

    Attributes:
        outcome: VALIDATED, REJECTED or UNKNOWN.
        reason: one sentence.
        candidate: version of the model that the report is about.
        champion: version that it was compared with; None if none was served.
        champion_accuracy: of that one on the same test images; None where they were not compared.
        served: version that is served now; None if none is.
        differences: to the champion, the one that counts first; none where they could not be compared.
        checks: the verdict's table.
        cost: names and values, with units.
        problems: why it cannot be served, a sentence each.
        lineage: names and values that lead back to run, commit and data.
        settings: of the training and its judgement, ``section.key`` to value.
    """

    outcome: str
    reason: str
    candidate: int
    champion: int | None
    champion_accuracy: Estimate | None
    served: int | None
    differences: list[DifferenceRow]
    checks: list[Row]
    cost: dict[str, str]
    problems: list[str]
    lineage: dict[str, str]
    settings: dict[str, str] = field(default_factory=dict)
