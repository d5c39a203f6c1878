"""The registered model: its versions, its aliases, and the files of a version."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import mlflow
from mlflow.entities import LoggedModel
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.tracking import MlflowClient

from facesent.core.errors import FacesentError
from facesent.model.storage import model_sha256
from facesent.registry import runs
from facesent.registry.client import fitting_tag, mlflow_answers, none_if_missing, repeated_when_taken
from facesent.registry.packaging import FILES, folder_of, is_whole
from facesent.registry.runs import MODEL_TAG
from facesent.registry.troubles import is_of_store

if TYPE_CHECKING:
    from facesent.prediction.classifier import Classifier

NAME = "facesent"
# The challenger, registered last, is for people: no code reads it, but facesent serve --version challenger serves it.
CHAMPION, CHALLENGER, PREVIOUS = "champion", "challenger", "previous"
MIN_CONFIDENCE_TAG = "facesent.min_confidence"
UNLIKE_TAG = "facesent.unlike"
CODE_TAG = "facesent.code_sha256"
VERDICT_TAG, REASON_TAG, JUDGED_TAG = "verdict", "verdict_reason", "judged_at"
RETRAIN_TAG = "retrain-required"
ACCURACY_TAG, ACCURACY_INTERVAL_TAG = "test_accuracy", "test_accuracy_interval"


class RegistryError(FacesentError):
    """The registry does not hold what was asked for."""


@dataclass(frozen=True)
class Version:
    """One version of the registered model.

    Attributes:
        number: counts from 1.
        run_id: of the run that made it, which somebody may have deleted since; empty where it has none.
        created: when it was registered.
        aliases: sorted.
        tags: what was written down about it.
    """

    number: int
    run_id: str
    created: datetime
    aliases: tuple[str, ...]
    tags: Mapping[str, str]

    @property
    def model_sha256(self) -> str:
        """The hash of its weights and labels, by which ``version_of`` finds it; empty where it is not known."""
        return self.tags.get(MODEL_TAG, "")

    @property
    def accuracy(self) -> float | None:
        """On the test split; None where it is not known."""
        share = self.tags.get(ACCURACY_TAG)
        return float(share) if share else None

    @property
    def accuracy_interval(self) -> tuple[float, float] | None:
        """Its lower and upper end; None for versions that are older than the tag."""
        low, _, high = self.tags.get(ACCURACY_INTERVAL_TAG, "").partition(" to ")
        return (float(low), float(high)) if high else None

    @property
    def retrain_reason(self) -> str:
        """Why it has to be trained again, as a sentence; empty where it need not."""
        when = self.tags.get(RETRAIN_TAG)
        if not when:
            return ""
        return f"must be trained again, since one whom it may know was forgotten on {when[:10]}: dvc repro"


@mlflow_answers()
def all_versions() -> list[Version]:
    """The newest first."""
    named = aliases()
    known = []
    for version in MlflowClient().search_model_versions(f"name='{NAME}'"):
        theirs = [alias for alias, number in named.items() if number == int(version.version)]
        known.append(_version(version, theirs))
    return sorted(known, key=lambda version: version.number, reverse=True)


@mlflow_answers()
def get(number: int) -> Version:
    """The version with this number.

    Raises:
        RegistryError: there is none.
        TrackingError: if MLflow cannot be reached.
    """
    if version := _find(number):
        return version
    raise RegistryError(f"Expected a version of {NAME}. Received: {number}, which does not exist. See: facesent models")


def exists(number: int) -> bool:
    """Whether the registry holds this version."""
    return _find(number) is not None


def _find(number: int) -> Version | None:
    version = none_if_missing(lambda: MlflowClient().get_model_version(NAME, str(number)))
    return _version(version, version.aliases) if version else None


def _version(version: ModelVersion, named: Iterable[str]) -> Version:
    return Version(
        number=int(version.version),
        run_id=version.run_id or "",
        created=datetime.fromtimestamp(version.creation_timestamp / 1000, UTC),
        aliases=tuple(sorted(named)),
        tags=dict(version.tags),
    )


def version_named(name: str | None = None) -> Version:
    """The version that a person means by a number or an alias; the champion if neither is given.

    Raises:
        RegistryError: if there is none.
        TrackingError: if MLflow cannot be reached.
    """
    known = all_versions()
    for version in known:
        if (name or CHAMPION) in (str(version.number), *version.aliases):
            return version
    if name is None:
        raise RegistryError(
            f"Expected a champion of {NAME}. Received: none in the registry. Run: dvc repro && facesent promote"
        )
    listed = ", ".join(" ".join([str(version.number), *version.aliases]) for version in reversed(known))
    raise RegistryError(
        f"Expected a version of {NAME} ({listed or 'none yet: dvc repro && facesent promote'}) or an alias of one. "
        f"Received: {name}"
    )


def number_named(name: str | None = None) -> int:
    """The number of the version that ``version_named`` gives, for who asks again and again: without all the others.

    Raises:
        RegistryError: if there is none.
        TrackingError: if MLflow cannot be reached.
    """
    number = _number_named(name or CHAMPION)
    # The whole list says what there is instead.
    return version_named(name).number if number is None else number


@mlflow_answers()
def _number_named(name: str) -> int | None:
    if name.isdecimal():
        return int(name) if exists(int(name)) else None
    return version_with_alias(name)


def version_with_alias(alias: str) -> int | None:
    """The version that bears ``alias``, if one does."""
    version = none_if_missing(lambda: MlflowClient().get_model_version_by_alias(NAME, alias))
    return int(version.version) if version else None


def identity_of(model_sha256: str, min_confidence: float, code_sha256: str, unlike: str) -> dict[str, str]:
    """The tags by which a version is known: what it holds, when it answers and marks, and the code that answers."""
    answers = {MIN_CONFIDENCE_TAG: str(min_confidence), UNLIKE_TAG: unlike}
    return {MODEL_TAG: model_sha256, **answers, CODE_TAG: code_sha256}


def version_of(identity: Mapping[str, str]) -> int | None:
    """The version with this identity, if it is registered and its files are there."""
    known = _with_model(identity[MODEL_TAG])
    alike = sorted(version for version, tags in known.items() if identity.items() <= tags.items())
    return next((version for version in alike if is_whole(model_uri(version), identity[MODEL_TAG])), None)


def sharing_model_of(version: int) -> set[int]:
    """The versions with the same weights and labels, itself included; itself alone where they are not known."""
    sha256 = get(version).model_sha256
    return {version, *(_with_model(sha256) if sha256 else ())}


def _with_model(sha256: str) -> dict[int, dict[str, str]]:
    """The versions with these weights and labels, each with its tags."""
    alike = MlflowClient().search_model_versions(f"name='{NAME}' and tags.`{MODEL_TAG}` = '{sha256}'")
    return {int(version.version): version.tags for version in alike}


def create_version(logged: LoggedModel, identity: Mapping[str, str], tags: Mapping[str, str]) -> int:
    """Register a logged model as a new version, which ``version_of`` finds by its identity."""
    make_registered_model(NAME)
    version = MlflowClient().create_model_version(
        NAME,
        source=logged.artifact_location,
        run_id=logged.source_run_id,
        model_id=logged.model_id,
        tags={**tags, **identity},
    )
    return int(version.version)


def make_registered_model(name: str, description: str | None = None) -> None:
    """Make a registered model, unless there is one of that name."""
    try:
        MlflowClient().create_registered_model(name, description=description)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def run_of(version: int) -> str:
    """Id of the run that made a version; empty where it has none, or somebody deleted it.

    Raises:
        RegistryError: there is no such version.
    """
    run_id = get(version).run_id
    return run_id if run_id and runs.exists(run_id) else ""


def bytes_of(version: int) -> int:
    """The size of all that a server fetches of a version, weights, labels and code, by the listing of the store."""
    return _bytes_under(model_uri(version))


@repeated_when_taken
def set_alias(alias: str, version: int) -> None:
    """Make ``alias`` name ``version``."""
    MlflowClient().set_registered_model_alias(NAME, alias, str(version))


def describe_version(version: int, text: str) -> None:
    """Set what the version's page says about it, as markdown."""
    MlflowClient().update_model_version(NAME, str(version), text)


def show_description_of(version: int) -> None:
    """Let the registered model's page say what the version's says."""
    client = MlflowClient()
    if text := client.get_model_version(NAME, str(version)).description:
        client.update_registered_model(NAME, text)


@repeated_when_taken
def tag_version(version: int, tags: Mapping[str, str]) -> None:
    """Add tags to a version; of a long one the beginning."""
    client = MlflowClient()
    for name, value in tags.items():
        client.set_model_version_tag(NAME, str(version), name, fitting_tag(value))


def model_uri(version: int) -> str:
    """MLflow's URI of a version."""
    return f"models:/{NAME}/{version}"


@contextmanager
def version_files(version: int) -> Iterator[tuple[Path, Path]]:
    """The model and the labels of a version for the length of a block; fetched if the registry is elsewhere.

    Raises:
        RegistryError: if they cannot be had, or are not those that were registered.
        TrackingError: if the object storage that has them cannot be reached, or refuses.
    """
    with TemporaryDirectory(prefix="facesent-version-") as scratch:
        yield _model_and_labels(version, scratch)


@mlflow_answers()
def _model_and_labels(version: int, scratch: str) -> tuple[Path, Path]:
    with _expected(version):
        repository = get_artifact_repository(model_uri(version))
        target = scratch if folder_of(repository) is None else None
        folder = Path(repository.download_artifacts("artifacts", target))  # type: ignore[no-untyped-call]
        return _registered_files(version, folder)


@mlflow_answers()
def fetch(version: int, target: Path) -> Path:
    """Copy all that a version is served from, weights, labels and code, into an empty folder.

    Returns:
        the folder of the model, which tells its version to MLflow.

    Raises:
        RegistryError: it cannot be had, or is not what was registered.
        TrackingError: the object storage that has it cannot be reached, or refuses.
    """
    with _expected(version):
        repository = get_artifact_repository(model_uri(version))
        folder = Path(repository.download_artifacts("", str(target)))  # type: ignore[no-untyped-call]
        _registered_files(version, folder / "artifacts")
        return folder


def _registered_files(version: int, folder: Path) -> tuple[Path, Path]:
    model, labels = (folder / name for name in FILES)
    if get(version).model_sha256 not in ("", model_sha256(model, labels)):
        raise OSError(f"weights or labels in {folder} that differ from those registered")
    return model, labels


@contextmanager
def _expected(version: int) -> Iterator[None]:
    """Name the version whose files cannot be had, and what to do."""
    try:
        yield
    except (MlflowException, OSError) as error:
        # What cannot be had now may be had later.
        if is_of_store(str(error)):
            raise
        raise RegistryError(
            f"Expected the files of version {version} of {NAME}. Received: {error}. To register the model in "
            "outputs/ again: facesent promote. To serve the previous version: facesent rollback"
        ) from None


@mlflow_answers()
def load_classifier(version: int) -> "Classifier":
    """Load a version for prediction.

    Raises:
        RegistryError: its files cannot be had.
    """
    from facesent.prediction.classifier import Classifier

    with version_files(version) as files:
        return Classifier.load(*files)


def _bytes_under(uri: str) -> int:
    entries = mlflow.artifacts.list_artifacts(artifact_uri=uri)
    return sum(
        _bytes_under(f"{uri}/{entry.path.rpartition('/')[2]}") if entry.is_dir else entry.file_size or 0
        for entry in entries
    )


def aliases() -> dict[str, int]:
    """All aliases, as they are at one moment, each with the version that bears it."""
    model = none_if_missing(lambda: MlflowClient().get_registered_model(NAME))
    return {alias: int(version) for alias, version in model.aliases.items()} if model else {}
