"""A trained model as an MLflow model: weights, labels and the code that reads photos."""

import base64
import hashlib
import io
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

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
from facesent.model.storage import model_sha256
from facesent.registry.client import mlflow_answers

MODEL_NAME = "model"
FILES = ("model.keras", "labels.json")
# What the served code imports; the versions are those it was trained with.
REQUIREMENTS = ("keras", "mlflow", "mtcnn", "numpy", "opencv-python-headless", "pandas", "pillow", "tensorflow")

# What a request may ask for. A version from before one of them knows nothing of it.
MIN_CONFIDENCE, TOP_K, CROP = "min_confidence", "top_k", "crop"
CROPS = ("none", "largest", "all")

# The code of ours that the served file loads, with packages for all that is in them; a test compares.
SERVED_CODE = (
    "core/console.py", "core/errors.py", "images/kinds.py", "images/limits.py", "images/reading.py", "images/rows.py",
    "images/spill.py", "images/threads.py", "model/backend.py", "model/calibration.py", "model/inference.py",
    "model/layers.py", "model/processor.py", "model/settings.py", "model/storage.py", "prediction/batching.py",
    "prediction/classifier.py", "prediction/faces.py", "prediction/light.py", "registry/client.py",
    "registry/credentials.py", "registry/packaging.py", "registry/served.py", "section.py",
)  # fmt: skip
_CODE_KEY = "facesent_code_sha256"


def signature(min_confidence: float) -> ModelSignature:
    """What a served model takes and gives.

    Args:
        min_confidence: where a request names no other.
    """
    return ModelSignature(
        inputs=Schema([ColSpec(DataType.string, "image")]),
        outputs=Schema(
            [
                ColSpec(DataType.string, "label"),
                ColSpec(DataType.double, "confidence"),
                ColSpec(Map(DataType.double), "probabilities"),
                ColSpec(DataType.long, "version", required=False),
                ColSpec(Map(DataType.long), "box", required=False),
                ColSpec(DataType.long, "row", required=False),
            ]
        ),
        params=ParamSchema(
            [
                ParamSpec(MIN_CONFIDENCE, DataType.double, min_confidence),
                ParamSpec(TOP_K, DataType.long, 0),
                ParamSpec(CROP, DataType.string, CROPS[0]),
            ]
        ),
    )


def served_code_sha256() -> str:
    """Hash of the code that answers requests: 64 hex digits. Another code is another version of a model."""
    root = Path(facesent.__file__).parent
    return hashlib.sha256(b"\0".join((root / name).read_bytes() for name in SERVED_CODE)).hexdigest()


def log_model(run_id: str, model: Path, labels: Path, min_confidence: float = 0.0) -> LoggedModel:
    """Log the model to a run, unless it is there already with this ``min_confidence`` and the code as it is now.

    Args:
        run_id: the training's run.
        model: ``model.keras``.
        labels: ``labels.json``.
        min_confidence: below it the answer is "uncertain" where a request names no other.

    Returns:
        MLflow's entry of the logged model.
    """
    if logged := _logged_model(run_id, min_confidence, model_sha256(model, labels)):
        return logged
    package = Path(facesent.__file__).parent
    with mlflow.start_run(run_id=run_id):
        info = mlflow.pyfunc.log_model(
            name=MODEL_NAME,
            python_model=str(package / "registry" / "served.py"),
            artifacts={"model": str(model), "labels": str(labels)},
            code_paths=[str(package)],
            signature=signature(min_confidence),
            input_example={"image": [_example_photo()]},
            metadata={_CODE_KEY: served_code_sha256()},
            pip_requirements=[f"{name}=={version(name)}" for name in REQUIREMENTS],
        )
    return MlflowClient().get_logged_model(info.model_id)


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


def _logged_model(run_id: str, min_confidence: float, sha256: str) -> LoggedModel | None:
    """The whole model of this kind that a run holds, if it holds one; a kill may have left a part of one."""
    client = MlflowClient()
    outputs = client.get_run(run_id).outputs
    models = [client.get_logged_model(output.model_id) for output in (outputs.model_outputs if outputs else [])]
    whole = [model for model in reversed(models) if model.status == LoggedModelStatus.READY]
    return next((model for model in whole if _is_served_alike(model.model_uri, min_confidence, sha256)), None)


def _is_served_alike(uri: str, min_confidence: float, sha256: str) -> bool:
    if not is_whole(uri, sha256):
        return False
    code = (_description(uri).metadata or {}).get(_CODE_KEY)
    return code == served_code_sha256() and min_confidence_of(uri) == min_confidence


def _example_photo() -> str:
    """A grey square as base64: the form of a request without anybody's picture in it."""
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), "grey").save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()
