"""The trained model as a registered version, which asks to be served."""

from dataclasses import dataclass

from facesent.core.errors import FacesentError
from facesent.core.paths import Project
from facesent.evaluation.card import description
from facesent.evaluation.measures import Measures, read_measures
from facesent.model.storage import load_labels, model_sha256
from facesent.params import load_params
from facesent.promotion.evaluated import holds_hash
from facesent.registry import runs, versions
from facesent.registry.client import mlflow_answers
from facesent.registry.known_images import unlike_of
from facesent.registry.lock import alone_with_registry
from facesent.registry.packaging import served_code_sha256
from facesent.registry.recorder import record
from facesent.registry.versions import (
    ACCURACY_INTERVAL_TAG,
    ACCURACY_TAG,
    CHALLENGER,
    JUDGED_TAG,
    REASON_TAG,
    VERDICT_TAG,
)


@dataclass(frozen=True)
class Candidate:
    """A registered version that asks to be served.

    Attributes:
        version: its number.
        run_id: MLflow's id of the run that trained it.
        model_sha256: of its weights and labels.
        created: whether it was registered now; False where it was known.
    """

    version: int
    run_id: str
    model_sha256: str
    created: bool


@mlflow_answers()
def register(project: Project) -> Candidate:
    """Make the current model a version with the alias ``challenger``, unless it is one already.

    The same weights and labels with other settings of ``serve``, or served by other code, are another version.

    Raises:
        FacesentError: if the stages have not run, or ``evaluate`` not since the last ``train``.
        TrackingError: if MLflow cannot be reached.
    """
    for path in (project.model, project.metrics):
        if not path.is_file():
            raise FacesentError(f"Expected a trained and evaluated model. Received: no {path}. Run: dvc repro")
    sha256 = model_sha256(project.model, project.labels)
    _check_evaluated(project, sha256)
    params = load_params(project.params)
    recorded = record(project, params)
    unlike = unlike_of(project, params.serve).name
    identity = versions.identity_of(sha256, params.serve.min_confidence, served_code_sha256(), unlike)
    # Two registrations of one model at once would make two versions.
    with alone_with_registry():
        version = versions.version_of(identity)
        created = version is None
        if version is None:
            tags = _origin_tags(project, recorded.run_id) | _measure_tags(project)
            version = versions.create_version(recorded.model, identity, tags)
        else:
            # The test images may be others by now, or have other labels.
            versions.tag_version(version, _measure_tags(project))
        if project.model_card.is_file():
            versions.describe_version(version, description(project.model_card.read_text(encoding="utf-8")))
        versions.set_alias(CHALLENGER, version)
    return Candidate(version, recorded.run_id, sha256, created)


def _check_evaluated(project: Project, sha256: str) -> None:
    if not holds_hash(project.evaluated_model, sha256):
        raise FacesentError(
            f"Expected in {project.evaluate} what was measured of the model in {project.train}. Received: measures of "
            "another model. Run: dvc repro"
        )


def _origin_tags(project: Project, run_id: str) -> dict[str, str]:
    tags = runs.run_tags(run_id)
    return {
        # An earlier version of the run was judged on its own.
        **{name: value for name, value in tags.items() if name not in (VERDICT_TAG, REASON_TAG, JUDGED_TAG)},
        "run_id": run_id,
        "classes": ",".join(load_labels(project.labels)),
    }


def _measure_tags(project: Project) -> dict[str, str]:
    measures = measured_on_test(project)
    return {
        ACCURACY_TAG: f"{measures.accuracy:.4f}",
        ACCURACY_INTERVAL_TAG: f"{measures.accuracy_low:.4f} to {measures.accuracy_high:.4f}",
        "test_macro_recall": f"{measures.macro_recall:.4f}",
        "test_macro_f1": f"{measures.macro_f1:.4f}",
        "test_worst_recall": f"{measures.worst_recall:.4f}",
    }


def measured_on_test(project: Project) -> Measures:
    """What ``evaluate`` measured on the test split."""
    return read_measures(project.metrics)["test"]
