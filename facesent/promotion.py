"""Register, judge, promote, roll back: what the flow does after the stages, and people do by hand."""

import json
from dataclasses import dataclass

from facesent.data.examples import read_examples, read_split
from facesent.errors import FacesentError
from facesent.evaluation.measures import Measures
from facesent.model.storage import load_labels, model_sha256
from facesent.params import Params, load_params
from facesent.project import Project
from facesent.registry import models, tracking
from facesent.registry.connection import mlflow_answers
from facesent.registry.gate import Champion, Incomparable, Verdict
from facesent.registry.gate import judge as judge_measures
from facesent.registry.models import CHALLENGER, CHAMPION, PREVIOUS, RegistryError
from facesent.registry.packaging import log_model
from facesent.registry.recording import find_or_record


@dataclass(frozen=True)
class Candidate:
    """A registered version that asks to be served."""

    version: int
    run_id: str
    model_sha256: str
    created: bool


@dataclass(frozen=True)
class Promotion:
    """The aliases after a promotion."""

    champion: int | None
    previous: int | None
    changed: bool


@mlflow_answers()
def register(project: Project) -> Candidate:
    """Make the current model a version with the alias ``challenger``, unless it is one already.

    The same weights and labels with another ``serve.min_confidence`` are another version.

    Raises:
        FacesentError: if the stages have not run.
    """
    for path in (project.model, project.metrics):
        if not path.is_file():
            raise FacesentError(f"Expected a trained and evaluated model. Received: no {path}. Run: dvc repro")
    sha256 = model_sha256(project.model, project.labels)
    params = load_params(project.params)
    min_confidence = params.serve.min_confidence
    run_id = find_or_record(project, params)
    version = models.version_of(sha256, min_confidence)
    created = version is None
    if version is None:
        logged = log_model(run_id, project.model, project.labels, min_confidence)
        version = models.create_version(logged, sha256, min_confidence, _version_tags(project, run_id))
    models.set_alias(CHALLENGER, version)
    return Candidate(version, run_id, sha256, created)


@mlflow_answers()
def judge(project: Project, candidate: Candidate) -> Verdict:
    """Hold the candidate against the floors and the champion; the verdict is written down either way."""
    params = load_params(project.params)
    champion = models.version_with_alias(CHAMPION)
    # The same weights with another min_confidence are no rival to beat.
    if champion is None or models.model_sha256_of(champion) == candidate.model_sha256:
        measures = _measures(project)
        verdict = judge_measures(candidate.version, measures, None, params.gate)
    else:
        measures = _score(project, params, candidate.version)
        verdict = judge_measures(candidate.version, measures, _rival(project, params, champion), params.gate)
    _write(project, candidate, verdict)
    return verdict


@mlflow_answers()
def promote(verdict: Verdict, *, replace_incomparable: bool = False) -> Promotion:
    """Make a validated candidate the champion; the one before stays known as ``previous``.

    Args:
        verdict: the gate's.
        replace_incomparable: promote also where the champion could not be compared.
    """
    champion = models.version_with_alias(CHAMPION)
    passed = verdict.outcome == "VALIDATED" or (verdict.outcome == "UNKNOWN" and replace_incomparable)
    if not passed or champion == verdict.candidate:
        return Promotion(champion, models.version_with_alias(PREVIOUS), changed=False)
    if champion is not None:
        models.set_alias(PREVIOUS, champion)
    models.set_alias(CHAMPION, verdict.candidate)
    return Promotion(verdict.candidate, champion, changed=True)


@mlflow_answers()
def rollback() -> Promotion:
    """Make ``previous`` the champion again; the two change places.

    Raises:
        RegistryError: if there is no version to go back to.
    """
    champion, previous = models.version_with_alias(CHAMPION), models.version_with_alias(PREVIOUS)
    if champion is None or previous is None:
        raise RegistryError(
            f"Expected a champion and a previous version. Received: champion {champion}, previous {previous}. "
            "There is nothing to go back to before a second version was promoted."
        )
    models.set_alias(CHAMPION, previous)
    models.set_alias(PREVIOUS, champion)
    return Promotion(previous, champion, changed=True)


def _version_tags(project: Project, run_id: str) -> dict[str, str]:
    measures = _measures(project)
    return {
        **tracking.run_tags(run_id),
        "run_id": run_id,
        "classes": ",".join(load_labels(project.labels)),
        "test_accuracy": f"{measures.accuracy:.4f}",
        "test_accuracy_interval": f"{measures.accuracy_low:.4f} to {measures.accuracy_high:.4f}",
        "test_macro_f1": f"{measures.macro_f1:.4f}",
        "test_worst_recall": f"{measures.worst_recall:.4f}",
    }


def _measures(project: Project) -> Measures:
    return Measures.from_dict(json.loads(project.metrics.read_text(encoding="utf-8"))["test"])


def _rival(project: Project, params: Params, champion: int) -> Champion | Incomparable:
    mine = load_labels(project.labels)
    try:
        theirs = load_labels(models.version_files(champion)[1])
        if theirs != mine:
            return Incomparable(champion, f"it knows the classes {', '.join(theirs)}, not {', '.join(mine)}.")
        return Champion(champion, _score(project, params, champion))
    except (RegistryError, OSError) as error:
        return Incomparable(champion, f"it cannot be loaded ({error}).")


def _score(project: Project, params: Params, version: int) -> Measures:
    """Measure a version on the current test images."""
    from facesent.evaluation.metrics import measure

    classifier = models.load_classifier(version)
    test = read_split(project.split("test"))
    examples = read_examples(
        project.data,
        test,
        classifier.labels,
        classifier.image_size,
        f"test for version {version}",
        spill=project.outputs,
    )
    scores = classifier.probabilities(examples.images, batch_size=params.evaluate.batch_size)
    return measure(examples.targets, scores, classifier.labels, params.evaluate)


def _write(project: Project, candidate: Candidate, verdict: Verdict) -> None:
    project.verdict.parent.mkdir(parents=True, exist_ok=True)
    project.verdict.write_text(verdict.to_json(), encoding="utf-8")
    tags = {"verdict": verdict.outcome, "verdict_reason": verdict.reason}
    models.tag_version(candidate.version, tags)
    tracking.log_verdict(candidate.run_id, verdict.to_json(), tags)
