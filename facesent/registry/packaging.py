"""A trained model as an MLflow model: weights, labels and the code that reads photos."""

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import mlflow
from mlflow.entities import LoggedModel, LoggedModelStatus
from mlflow.models import Model, ModelSignature
from mlflow.store.artifact.artifact_repo import ArtifactRepository
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository
from mlflow.tracking import MlflowClient
from mlflow.types.schema import ColSpec, DataType, Map, ParamSchema, ParamSpec, Schema
from PIL import Image

import facesent
from facesent.core.cropping import DEFAULT_CROP
from facesent.core.pictures import encoded
from facesent.model.storage import model_sha256
from facesent.registry.client import mlflow_answers, none_if_missing
from facesent.registry.contract import COLUMN, CROP, MIN_CONFIDENCE, TOP_K, UNLIKE, UNLIKES

if TYPE_CHECKING:
    from facesent.prediction.unlike import Known

MODEL_NAME = "model"
FILES = ("model.keras", "labels.json")
UNLIKE_FILE = "unlike.npz"
"""Beside them in a version that tells what is unlike its training images."""
# What the served code imports; the versions are those it was trained with.
REQUIREMENTS = (
    "keras", "mlflow", "mtcnn", "numpy", "opencv-python-headless", "pandas", "pillow", "simplejpeg", "tensorflow",
)  # fmt: skip

# The code of ours that the served file loads, with packages for all that is in them; a test compares.
SERVED_CODE = (
    "core/console.py", "core/cropping.py", "core/errors.py", "core/imports.py", "images/kinds.py", "images/limits.py",
    "images/plain_jpeg.py", "images/reading.py", "images/rows.py", "images/spill.py", "images/threads.py",
    "model/backend.py", "model/calibration.py", "model/inference.py", "model/layers.py", "model/processor.py",
    "model/settings.py", "model/storage.py", "prediction/batching.py", "prediction/classifier.py",
    "prediction/faces.py", "prediction/light.py", "prediction/unlike.py", "registry/contract.py",
    "registry/served.py", "section.py",
)  # fmt: skip
_CODE_KEY, _UNLIKE_KEY = "facesent_code_sha256", "facesent_unlike"


@dataclass(frozen=True)
class Unlike:
    """How a version tells what is unlike its training images.

    Attributes:
        mode: one of ``UNLIKES``, where a request names no other.
        neighbours: training images that count.
        known: gives what it has to know of them; not called for "none".
    """

    mode: str = UNLIKES[0]
    neighbours: int = 0
    known: "Callable[[], Known] | None" = None

    @property
    def name(self) -> str:
        """What a version is known by."""
        return f"{self.mode} by {self.neighbours}" if self.known else UNLIKES[0]


def signature(min_confidence: float, unlike: str = UNLIKES[0]) -> ModelSignature:
    """What a served model takes and gives.

    Args:
        min_confidence: where a request names no other.
        unlike: the same; "none" for a model that knows nothing of it.
    """
    said, asked = [ColSpec(DataType.boolean, UNLIKE, required=False)], [ParamSpec(UNLIKE, DataType.string, unlike)]
    if unlike == UNLIKES[0]:
        said, asked = [], []
    return ModelSignature(
        inputs=Schema([ColSpec(DataType.string, COLUMN)]),
        outputs=Schema(
            [
                ColSpec(DataType.string, "label"),
                ColSpec(DataType.double, "confidence"),
                ColSpec(Map(DataType.double), "probabilities"),
                ColSpec(DataType.long, "version", required=False),
                ColSpec(Map(DataType.long), "box", required=False),
                ColSpec(DataType.long, "row", required=False),
                *said,
            ]
        ),
        params=ParamSchema(
            [
                ParamSpec(MIN_CONFIDENCE, DataType.double, min_confidence),
                ParamSpec(TOP_K, DataType.long, 0),
                ParamSpec(CROP, DataType.string, DEFAULT_CROP),
                *asked,
            ]
        ),
    )


def served_code_sha256() -> str:
    """Hash of the code that answers requests: 64 hex digits. Another code is another version of a model."""
    root = Path(facesent.__file__).parent
    return hashlib.sha256(b"\0".join((root / name).read_bytes() for name in SERVED_CODE)).hexdigest()


def log_model(
    run_id: str, model: Path, labels: Path, min_confidence: float = 0.0, unlike: Unlike | None = None
) -> LoggedModel:
    """Log the model to a run, unless it is there already with these settings and the code as it is now.

    Args:
        run_id: the training's run.
        model: ``model.keras``.
        labels: ``labels.json``.
        min_confidence: below it the answer is "uncertain" where a request names no other.
        unlike: whether it tells what is unlike its training images; None for no.

    Returns:
        MLflow's entry of the logged model.
    """
    unlike = unlike or Unlike()
    if logged := _logged_model(run_id, min_confidence, unlike.name, model_sha256(model, labels)):
        return logged
    package = Path(facesent.__file__).parent
    with mlflow.start_run(run_id=run_id), TemporaryDirectory() as scratch:
        artifacts = {"model": str(model), "labels": str(labels)}
        if unlike.known:
            artifacts[UNLIKE] = str(Path(scratch) / UNLIKE_FILE)
            unlike.known().save(Path(artifacts[UNLIKE]))
        info = Model.log(
            None,
            _Flavor,
            name=MODEL_NAME,
            validate_serving_input=False,
            python_model=str(package / "registry" / "served.py"),
            artifacts=artifacts,
            code_paths=[str(package)],
            signature=signature(min_confidence, unlike.mode),
            input_example={COLUMN: [_example_photo()]},
            metadata={_CODE_KEY: served_code_sha256(), _UNLIKE_KEY: unlike.name},
            pip_requirements=[f"{name}=={version(name)}" for name in REQUIREMENTS],
        )
    return MlflowClient().get_logged_model(info.model_id)


class _Flavor:
    """``mlflow.pyfunc`` with a switch that MLflow's own lacks.

    Whether the example can be answered needs no trial here, which loads the network once more: the canary asks the real
    server.
    """

    @staticmethod
    def save_model(*, validate_serving_input: bool, **settings: Any) -> None:
        """Write the files of a model to a folder."""
        mlflow.pyfunc.save_model(**settings)


def is_whole(uri: str, sha256: str) -> bool:
    """Whether the store still has the files of a model, which people delete to make room, and as they were registered.

    Args:
        uri: of the model.
        sha256: of its weights and labels; looked at where the store is on this machine.
    """
    repository = get_artifact_repository(uri)
    found = {entry.path for folder in (None, "artifacts") for entry in repository.list_artifacts(folder)}
    if not {"MLmodel", *(f"artifacts/{name}" for name in FILES)} <= found:
        return False
    folder = folder_of(repository)
    return folder is None or model_sha256(*(folder / "artifacts" / name for name in FILES)) == sha256


def folder_of(repository: ArtifactRepository) -> Path | None:
    """Where its files are, if that is on this machine."""
    near = getattr(repository, "repo", repository)
    return Path(near.artifact_dir) if isinstance(near, LocalArtifactRepository) else None


@mlflow_answers()
def min_confidence_of(uri: str) -> float:
    """What a model answers at where a request names nothing else; 0 for one that always answers.

    Args:
        uri: of the model, such as ``models:/facesent@champion``.
    """
    described = _description(uri).signature
    params = described.params.params if described and described.params else []
    return next((float(param.default) for param in params if param.name == MIN_CONFIDENCE), 0.0)


def _description(uri: str) -> Model:
    """What MLflow's file about a model says; MLflow's own reader leaves a copy behind if the registry is elsewhere."""
    with TemporaryDirectory() as scratch:
        repository = get_artifact_repository(uri)
        return Model.load(repository.download_artifacts("MLmodel", scratch))  # type: ignore[no-untyped-call]


def _logged_model(run_id: str, min_confidence: float, unlike: str, sha256: str) -> LoggedModel | None:
    """The whole model of this kind that a run holds, if it holds one; a kill may have left a part of one."""
    outputs = MlflowClient().get_run(run_id).outputs
    models = [logged_model(output.model_id) for output in (outputs.model_outputs if outputs else [])]
    whole = [model for model in reversed(models) if model and model.status == LoggedModelStatus.READY]
    return next((model for model in whole if _is_served_alike(model.model_uri, min_confidence, unlike, sha256)), None)


def logged_model(model_id: str) -> LoggedModel | None:
    """A model that a run made; None where somebody deleted it, which its run does not tell."""
    return none_if_missing(lambda: MlflowClient().get_logged_model(model_id))


def _is_served_alike(uri: str, min_confidence: float, unlike: str, sha256: str) -> bool:
    if not is_whole(uri, sha256):
        return False
    known = _description(uri).metadata or {}
    same = (known.get(_CODE_KEY), known.get(_UNLIKE_KEY)) == (served_code_sha256(), unlike)
    return same and min_confidence_of(uri) == min_confidence


def _example_photo() -> str:
    """A grey square as base64: the form of a request without anybody's picture in it."""
    return base64.b64encode(encoded(Image.new("RGB", (64, 64), "grey"))).decode()
