"""The gate with what it needs: the candidate and the champion on the same test images."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from textwrap import shorten
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from facesent.core.errors import FacesentError, TrackingError
from facesent.core.files import images_in_use, replaced
from facesent.core.paths import Project
from facesent.dataset.assignment import rows_of, table_of, unseen
from facesent.images.batches import Examples, read_examples, targets_of
from facesent.images.rows import read_split
from facesent.model.storage import load_labels
from facesent.params import Params, load_params
from facesent.promotion.canary.report import CanaryReport
from facesent.promotion.evaluated import stored_probabilities
from facesent.promotion.gate import verdict_of
from facesent.promotion.register import Candidate
from facesent.promotion.rivals import ComparedChampion, DriftComparison, Incomparable, Rival, SameWeights
from facesent.promotion.verdict import Verdict
from facesent.registry import artifacts, runs, versions
from facesent.registry.client import mlflow_answers
from facesent.registry.troubles import is_of_store
from facesent.registry.versions import CHAMPION, JUDGED_TAG, REASON_TAG, VERDICT_TAG, Version

if TYPE_CHECKING:
    from facesent.evaluation.gaps import ColumnResult
    from facesent.prediction.classifier import Classifier
    from facesent.promotion.comparison import Comparison

# Keras's errors can be pages long.
_ERROR_LENGTH = 300


@mlflow_answers()
def judge(project: Project, candidate: Candidate, canary: CanaryReport) -> Verdict:
    """Hold the candidate against the thresholds and the champion; the verdict is written down either way.

    Both are scored on the test images as they are now, by their registered files. Where these and the images are, by
    their hashes, those that ``evaluate`` answered for, its answers are the candidate's; it is not asked again.

    Args:
        project: whose test images and settings count.
        candidate: what asks to be served.
        canary: what the real server with the candidate gave.

    Raises:
        FacesentError: if there are test images of a class that the candidate does not know.
    """
    params = load_params(project.params)
    number = versions.version_with_alias(CHAMPION)
    champion = None if number is None else versions.get(number)
    if why := versions.get(candidate.version).retrain_reason:
        verdict = Verdict("REJECTED", f"Version {candidate.version} {why}", candidate.version, number, ())
        _write(project, candidate, verdict)
        return verdict
    path = project.split("test")
    test = _Test(project, read_split(path) if path.is_file() else pd.DataFrame(), params)
    with images_in_use(project.data):
        verdict = _judge(test, candidate, champion, canary)
    _write(project, candidate, verdict)
    return verdict


@dataclass(frozen=True)
class _Test:
    """The test split with what is needed to score it; ``split`` may be empty."""

    project: Project
    split: pd.DataFrame
    params: Params

    def read(self, classifier: "Classifier") -> Examples:
        """The images as this classifier takes them."""
        name, spill = "test images for the gate", self.project.outputs
        return read_examples(self.project.data, self.split, classifier.labels, classifier.image_size, name, spill=spill)

    def score(self, classifier: "Classifier", examples: Examples) -> NDArray[np.float32]:
        """``(n, classes)``."""
        return classifier.probabilities(examples.images, batch_size=self.params.evaluate.batch_size)


@dataclass(frozen=True)
class _Answers:
    """The candidate's, on the test images.

    Attributes:
        labels: its classes.
        targets: ``(n,)`` indices into them.
        scores: ``(n, classes)``.
        examples: the images as it takes them; None where it was not asked again.
    """

    labels: list[str]
    targets: NDArray[np.int64]
    scores: NDArray[np.float32]
    examples: Examples | None = None

    @property
    def right(self) -> NDArray[np.bool_]:
        """``(n,)``, which images it answers right."""
        return np.asarray(self.scores.argmax(axis=1) == self.targets)


def _judge(test: _Test, candidate: Candidate, champion: Version | None, canary: CanaryReport) -> Verdict:
    from facesent.evaluation.metrics import measure

    gate, version = test.params.gate, candidate.version
    rival: Rival = None
    if champion and champion.model_sha256 == candidate.model_sha256:
        rival = SameWeights(champion.number)
    if test.split.empty:
        if champion and rival is None:
            rival = Incomparable(champion.number, "there are no test images.")
        return verdict_of(version, None, rival, canary, gate)
    answers = _answers(test, candidate)
    if champion and rival is None:
        rival = _compare(test, answers, version, champion)
    groups = list(test.split["group"])
    measures = measure(answers.targets, answers.scores, groups, answers.labels, test.params.evaluate)
    return verdict_of(version, measures, rival, canary, gate, _columns(test, answers.right))


def _answers(test: _Test, candidate: Candidate) -> _Answers:
    with versions.version_files(candidate.version) as (model, labels):
        classes = load_labels(labels)
        if unknown := sorted(set(test.split["label"]) - set(classes)):
            raise FacesentError(
                f"Expected test images of the candidate's classes, {', '.join(classes)}. "
                f"Received: also {', '.join(unknown)}. Run: dvc repro"
            )
        scores = stored_probabilities(test.project, test.split, classes, candidate.model_sha256)
        if scores is not None:
            return _Answers(classes, targets_of(list(test.split["label"]), classes), scores)
        from facesent.prediction.classifier import Classifier

        classifier = Classifier.load(model, labels)
    examples = test.read(classifier)
    return _Answers(classes, examples.targets, test.score(classifier, examples), examples)


def _columns(test: _Test, right: NDArray[np.bool_]) -> list["ColumnResult"]:
    """The columns of ``evaluate.slices``, where the gate asks about them."""
    if test.params.gate.max_slice_gap is None:
        return []
    from facesent.evaluation.columns import read_columns
    from facesent.evaluation.gaps import compare_values

    columns = read_columns(test.project, test.params.evaluate.slices, test.split)
    return compare_values(columns, test.split, right, test.params.gate.confidence_level)


def _compare(test: _Test, answers: _Answers, candidate: int, champion: Version) -> ComparedChampion | Incomparable:
    """Score the champion on the same images, at its own size, and compare on those that neither has seen in training.

    Args:
        test: the images.
        answers: the candidate's.
        candidate: its version.
        champion: the version that is served.
    """
    from facesent.evaluation.metrics import measure
    from facesent.promotion.comparison import compare

    classifier = _loaded(champion.number, answers.labels)
    if isinstance(classifier, Incomparable):
        return classifier
    new = _seen_by_neither(test, candidate, champion.number)
    if isinstance(new, Incomparable):
        return new
    theirs = _answers_of_champion(test, answers, classifier)
    groups = test.split["group"]

    def compared(rows: NDArray[np.bool_]) -> "Comparison":
        """On these images."""
        chosen = (answers.targets[rows], answers.right[rows], theirs.right[rows], list(groups[rows]))
        return compare(*chosen, answers.labels, test.params.gate, seen=int((~new).sum()))

    shifted = _shifted(test, champion.number)
    after, before = new & shifted, new & ~shifted
    measures = measure(theirs.targets[new], theirs.scores[new], list(groups[new]), theirs.labels, test.params.evaluate)
    return ComparedChampion(
        champion.number,
        compared(new),
        measures.accuracy_estimate,
        retrain=bool(champion.retrain_reason),
        drift=DriftComparison(compared(after), compared(before)) if after.any() and before.any() else None,
    )


def _loaded(champion: int, labels: Sequence[str]) -> "Classifier | Incomparable":
    """The champion, if it can be loaded and knows these classes."""
    try:
        classifier = versions.load_classifier(champion)
    # A damaged file, or one that another version of Keras wrote, raises errors of many kinds.
    except Exception as error:
        if isinstance(error, TrackingError) or is_of_store(str(error)):
            raise
        why = shorten(f"{type(error).__name__}: {error}", _ERROR_LENGTH, placeholder=" …")
        return Incomparable(champion, f"it cannot be loaded ({why}).")
    if set(classifier.labels) != set(labels):
        known, wanted = ", ".join(classifier.labels), ", ".join(labels)
        return Incomparable(champion, f"it knows the classes {known}, not {wanted}.")
    return classifier


def _answers_of_champion(test: _Test, answers: _Answers, classifier: "Classifier") -> _Answers:
    """At its own size, and in the order of its own classes."""
    examples = answers.examples
    if examples is None or (classifier.image_size, classifier.labels) != (examples.side, answers.labels):
        examples = test.read(classifier)
    return _Answers(classifier.labels, examples.targets, test.score(classifier, examples))


def _shifted(test: _Test, champion: int) -> NDArray[np.bool_]:
    """Which test images are from after a change of what the champion is asked, and were labelled for its successor."""
    contents = runs.read_text(versions.run_of(champion), artifacts.SHIFTED) or ""
    return test.split["sha256"].isin(contents.split()).to_numpy(dtype=bool)


def _seen_by_neither(test: _Test, candidate: int, champion: int) -> NDArray[np.bool_] | Incomparable:
    """Which test images neither model has seen in training, be it as another picture or of the same person."""
    images = rows_of(test.project.assignment, test.split["sha256"])
    new = np.full(len(test.split), True)
    for version in (candidate, champion):
        text = runs.read_text(versions.run_of(version), artifacts.SEEN)
        if text is None:
            return Incomparable(champion, f"version {version} does not record which images it was trained on.")
        seen = table_of(text, f"{artifacts.SEEN} of version {version}")
        new &= unseen(test.split["sha256"], images, seen, test.params.split.near_duplicate_distance)
    # A group is kept together by what a table of the training does not have, such as pictures as mirrors show them.
    new &= ~test.split["group"].isin(test.split["group"][~new]).to_numpy(dtype=bool)
    least, left = test.params.gate.min_unseen or 0, test.split[new]
    people = left.groupby("label")["group"].nunique().reindex(sorted(set(test.split["label"])), fill_value=0)
    if not new.all() and (few := people[people < least]).size:
        counts = ", ".join(f"{label} {count}" for label, count in few.items())
        return Incomparable(
            champion,
            f"of {len(new)} test images {(~new).sum()} show people or pictures that one of the two was trained on; of "
            f"the rest, gate.min_unseen requires {least} people (or images without a known person) per class. "
            f"Received: {counts}.",
        )
    if not new.any():
        return Incomparable(champion, "one of the two was trained on all people or pictures of the test images.")
    return new


def _write(project: Project, candidate: Candidate, verdict: Verdict) -> None:
    """Into the project, and as tags of the run and the version; the verdict last, so that it never lacks its reason."""
    with replaced(project.verdict) as file:
        file.write_text(verdict.to_json(), encoding="utf-8")
    tags = {
        REASON_TAG: verdict.reason,
        JUDGED_TAG: datetime.now(UTC).isoformat(timespec="seconds"),
        VERDICT_TAG: verdict.outcome,
    }
    runs.log_bytes(candidate.run_id, artifacts.VERDICT, verdict.to_json().encode())
    runs.tag_run(candidate.run_id, tags)
    versions.tag_version(candidate.version, tags)
