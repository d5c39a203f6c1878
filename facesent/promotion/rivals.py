"""The version that is served, and what a candidate has to show to be served in its place."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from facesent.core.text import some
from facesent.promotion.settings import Gate
from facesent.promotion.verdict import Check, interval_of

if TYPE_CHECKING:
    from facesent.evaluation.intervals import Estimate
    from facesent.promotion.comparison import Comparison


@dataclass(frozen=True)
class DriftComparison:
    """How the candidate differs from a champion that is asked about other photos than before, on those and on the rest.

    Attributes:
        after: on labelled photos from after the change.
        before: on all others.
    """

    after: "Comparison"
    before: "Comparison"


@dataclass(frozen=True)
class ComparedChampion:
    """The served version, how the candidate differs from it on the same test images, and its accuracy on them.

    Attributes:
        version: its number.
        comparison: the candidate less the champion.
        accuracy: of the champion.
        retrain: whether it has to be replaced, since it was trained on a person who was forgotten.
        drift: the same comparison in two parts, where an alarm of the watch has led to the candidate.
    """

    version: int
    comparison: "Comparison"
    accuracy: "Estimate"
    retrain: bool = False
    drift: DriftComparison | None = None


@dataclass(frozen=True)
class Incomparable:
    """A served version that cannot be measured on these test images; ``why`` is a sentence."""

    version: int
    why: str


@dataclass(frozen=True)
class SameWeights:
    """A served version that has the candidate's weights, and perhaps another ``min_confidence``: nothing to beat."""

    version: int


Rival = ComparedChampion | Incomparable | SameWeights | None


class Criterion(Protocol):
    """What a candidate is judged by, beside what is asked of it alone."""

    def checks(self) -> Iterator[Check]:
        """What has to hold."""
        ...

    def sentence(self) -> str:
        """What is said of a candidate that passes all checks, without a full stop."""
        ...


def criterion_for(rival: Rival, settings: Gate) -> Criterion:
    """By what to judge: a gain on all images where that suffices, or on the photos of an alarm, or less than a loss.

    Args:
        rival: the served version; of one that cannot be compared nothing is asked here.
        settings: section ``gate``.
    """
    if isinstance(rival, SameWeights):
        return _NothingToBeat(f"it has the same weights as the champion, version {rival.version}")
    if not isinstance(rival, ComparedChampion):
        return _NothingToBeat("there is no other champion")
    if rival.retrain:
        return _Replacement(rival, settings)
    gain = _Gain(rival, settings)
    if rival.drift is None or all(check.passed is not False for check in gain.checks()):
        return gain
    return _DriftCriterion(rival.version, rival.drift, settings)


@dataclass(frozen=True)
class _NothingToBeat:
    why: str

    def checks(self) -> Iterator[Check]:
        yield from ()

    def sentence(self) -> str:
        return self.why


@dataclass(frozen=True)
class _Replacement:
    """Of a champion that must not stay: not worse by more than the margin."""

    champion: ComparedChampion
    settings: Gate

    def checks(self) -> Iterator[Check]:
        gain, margin = self.champion.comparison.macro_recall, -self.settings.retrain_margin
        name = f"gain in macro recall over version {self.champion.version}, lower end"
        note = f"{interval_of(gain, self.settings)}; it has to be replaced"
        yield Check.of(name, "points", gain.low, "above", margin, note)

    def sentence(self) -> str:
        return f"champion version {self.champion.version} has to be replaced"


@dataclass(frozen=True)
class _DriftCriterion:
    """Better on what the champion is asked about now, and elsewhere not worse by more than the margin."""

    version: int
    drift: DriftComparison
    settings: Gate

    def checks(self) -> Iterator[Check]:
        settings, than = self.settings, f"over version {self.version}, lower end"
        after, before = self.drift.after.macro_recall, self.drift.before.macro_recall
        least, margin = max(settings.min_gain or 0.0, 0.0), -settings.retrain_margin
        name = "gain in macro recall"
        interval = interval_of(after, settings)
        yield Check.of(f"{name} from after the change {than}", "points", after.low, "above", least, interval)
        yield Check.of(f"{name} elsewhere {than}", "points", before.low, "above", margin, interval_of(before, settings))
        yield from _no_class_worse(self.drift.before, settings)

    def sentence(self) -> str:
        after, settings = self.drift.after, self.settings
        return (
            f"on {after.images} photos from after the change its macro recall is "
            f"{_better(after, self.version, settings)}, and on the others it loses less than "
            f"{100 * settings.retrain_margin:g} points{_unknown(self.drift.before)}"
        )


@dataclass(frozen=True)
class _Gain:
    """Equal is not enough: a champion stays until something is better, even where a loss would be tolerated."""

    champion: ComparedChampion
    settings: Gate

    def checks(self) -> Iterator[Check]:
        comparison, least = self.champion.comparison, self.settings.min_gain
        gain, name = comparison.macro_recall, f"gain in macro recall over version {self.champion.version}"
        interval = interval_of(gain, self.settings)
        yield Check.of(name, "points", gain.estimate, "above", 0.0, interval)
        if least is not None:
            yield Check.of(f"{name}, lower end", "points", gain.low, "above", least, interval)
        yield from _no_class_worse(comparison, self.settings)

    def sentence(self) -> str:
        comparison = self.champion.comparison
        images, seen = comparison.images, comparison.seen
        where = f", on the {images} of {images + seen} test images that neither saw in training" if seen else ""
        better = _better(comparison, self.champion.version, self.settings)
        return f"its macro recall is {better}{where}{_unknown(comparison)}"


def _better(comparison: "Comparison", version: int, settings: Gate) -> str:
    gain = comparison.macro_recall
    return f"{100 * gain.estimate:.1f} points above version {version}'s ({interval_of(gain, settings)})"


def _no_class_worse(comparison: "Comparison", settings: Gate) -> Iterator[Check]:
    """By more than its own interval."""
    for label, change in comparison.classes.items():
        name, estimate = f"change in recall of {label}, upper end", f"{100 * change.estimate:+.1f}"
        if change.known:
            yield Check.of(name, "points", change.high, "at least", 0.0, f"{estimate}, {interval_of(change, settings)}")
        else:
            yield Check(name, "points", None, "at least", 0.0, None, f"{estimate}; too few people to tell")


def _unknown(comparison: "Comparison") -> str:
    """The classes that ``_no_class_worse`` has to let pass."""
    few = [label for label, change in comparison.classes.items() if not change.known]
    return f"; too few people to know whether recall of {some(few)} fell" if few else ""
