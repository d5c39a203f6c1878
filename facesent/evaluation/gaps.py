"""How differently a model does on the values of a column, such as age bands: people are counted, not images."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations
from math import ceil, comb, hypot

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from facesent.evaluation.intervals import Estimate, recall_of_groups, share_of_groups
from facesent.evaluation.slices import Finding, finding_of

# Of fewer people nothing is said.
LEAST_PEOPLE = 10
# How far from 0 the upper end of equal values is, in its distances from the gap: 2 to 12 of them show a gap, too.
_BY_CHANCE = 1.6


@dataclass(frozen=True)
class ValueResult:
    """The test images with one value of a column.

    Attributes:
        name: the value.
        people: in them, or images of nobody known.
        accuracy: on them.
        macro_recall: on them; None where a class has fewer than ``LEAST_PEOPLE`` people.
        finding: "too few" for fewer than ``LEAST_PEOPLE`` people; "weaker" or "better" where the accuracy on all test
            images is outside the interval.
    """

    name: str
    people: int
    accuracy: Estimate
    macro_recall: Estimate | None
    finding: Finding


@dataclass(frozen=True)
class Gap:
    """The largest difference in accuracy between two values of a column; 0..1.

    Attributes:
        worst: the value with the lowest accuracy.
        best: the one with the highest.
        value: the difference on the images as they are, which is above 0 for equal values too.
        low: lower end; above 0 some two values differ beyond chance.
        high: upper end.
        people: of the value that has the fewest.
    """

    worst: str
    best: str
    value: float
    low: float
    high: float
    people: int

    def people_for(self, limit: float) -> int:
        """About how many people a value would need, were all equal, for the upper end to fall to ``limit``, above 0."""
        return ceil(self.people * (_BY_CHANCE * (self.high - self.value) / limit) ** 2 / 10) * 10


@dataclass(frozen=True)
class ColumnResult:
    """One column: its values, the weakest first, those of too few people last; no gap where fewer than two are left."""

    name: str
    values: list[ValueResult]
    gap: Gap | None

    @property
    def too_few(self) -> list[ValueResult]:
        """The values of which nothing is said."""
        return [value for value in self.values if value.finding == "too few"]


def compare_values(
    columns: pd.DataFrame, test: pd.DataFrame, correct: NDArray[np.bool_], confidence_level: float
) -> list[ColumnResult]:
    """Accuracy by each column's values, and how far apart they are.

    The largest of many differences is large by chance alone, so a gap's ends are those of simultaneous intervals of all
    differences between two values, of all columns: each is taken at the level that Šidák's inequality asks for
    (Rectangular Confidence Regions for the Means of Multivariate Normal Distributions, 1967), and made of the two
    accuracies' own intervals (Newcombe, Interval Estimation for the Difference Between Independent Proportions, 1998,
    method 10; MOVER: Zou and Donner, 2008). Where no two values of any column differ, a lower end is above 0 in at most
    ``1 - confidence_level`` of test sets; tests/evaluation/test_gaps.py simulates it.

    Args:
        columns: categorical, a row a test image.
        test: ``label`` and ``group`` of the same images.
        correct: ``(n,)``, whether each is answered right.
        confidence_level: of the values' intervals, and of all gaps together.
    """
    parts = {str(name): list(_parts(columns[name], test, correct)) for name in columns}
    counted = {name: [part for part in found if part.people >= LEAST_PEOPLE] for name, found in parts.items()}
    pairs = sum(comb(len(found), 2) for found in counted.values())
    level = confidence_level ** (1 / max(pairs, 1))
    overall, classes = float(correct.mean()) if len(correct) else 0.0, set(test["label"])
    return [
        ColumnResult(name, _results(found, overall, classes, confidence_level), _gap(counted[name], level))
        for name, found in parts.items()
    ]


@dataclass(frozen=True)
class _Part:
    """The images of one value: which are right, and of whom they are."""

    name: str
    correct: NDArray[np.bool_]
    labels: Sequence[str]
    groups: Sequence[str]

    @property
    def people(self) -> int:
        return len(set(self.groups))

    def accuracy(self, confidence_level: float) -> Estimate:
        return share_of_groups(self.correct, self.groups, confidence_level)

    def macro_recall(self, classes: set[str], confidence_level: float) -> Estimate | None:
        people = pd.Series(self.groups, dtype="str").groupby(list(self.labels)).nunique()
        if not self.labels or people.reindex(sorted(classes), fill_value=0).min() < LEAST_PEOPLE:
            return None
        return recall_of_groups(self.correct, self.labels, self.groups, confidence_level)


def _parts(column: "pd.Series[str]", test: pd.DataFrame, correct: NDArray[np.bool_]) -> Iterator[_Part]:
    for value in column.cat.categories:
        member = (column == value).to_numpy()
        yield _Part(str(value), correct[member], list(test["label"][member]), list(test["group"][member]))


def _results(parts: list[_Part], overall: float, classes: set[str], confidence_level: float) -> list[ValueResult]:
    found = []
    for part in parts:
        accuracy, people = part.accuracy(confidence_level), part.people
        finding = finding_of(accuracy, overall, people, LEAST_PEOPLE)
        macro_recall = part.macro_recall(classes, confidence_level)
        found.append(ValueResult(part.name, people, accuracy, macro_recall, finding))
    return sorted(found, key=lambda value: (value.finding == "too few", value.accuracy.value, value.name))


def _gap(parts: list[_Part], level: float) -> Gap | None:
    if len(parts) < 2:
        return None
    estimates = {part.name: part.accuracy(level) for part in parts}
    worst, *_, best = sorted(estimates, key=lambda name: (estimates[name].value, name))
    ends = [_difference(above, below) for above, below in permutations(estimates.values(), 2)]
    low, high = max(low for low, _ in ends), max(high for _, high in ends)
    value = estimates[best].value - estimates[worst].value
    return Gap(worst, best, value, max(low, 0.0), min(high, 1.0), min(part.people for part in parts))


def _difference(above: Estimate, below: Estimate) -> tuple[float, float]:
    """Lower and upper end of how much the first share exceeds the second."""
    value = above.value - below.value
    return (
        value - hypot(above.value - above.low, below.high - below.value),
        value + hypot(above.high - above.value, below.value - below.low),
    )
