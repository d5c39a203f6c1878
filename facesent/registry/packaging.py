"""A trained model as an MLflow model: weights, labels and the code that reads photos."""

import base64
import io
from importlib.metadata import version
from pathlib import Path

import mlflow
from mlflow.entities import LoggedModel, LoggedModelStatus
from mlflow.models import ModelSignature
from mlflow.tracking import MlflowClient
from mlflow.types.schema import ColSpec, DataType, Map, Schema
from PIL import Image

import facesent

MODEL_NAME = "model"
# What the served code imports; the versions are those it was trained with.
REQUIREMENTS = ("keras", "mlflow", "numpy", "opencv-python-headless", "pandas", "pillow", "tensorflow")

SIGNATURE = ModelSignature(
    inputs=Schema([ColSpec(DataType.string, "image")]),
    outputs=Schema(
        [
            ColSpec(DataType.string, "label"),
            ColSpec(DataType.double, "confidence"),
            ColSpec(Map(DataType.double), "probabilities"),
        ]
    ),
)


def log_model(run_id: str, model: Path, labels: Path) -> LoggedModel:
    """Log the model to a run, unless it is there already.

    Args:
        run_id: the training's run.
        model: ``model.keras``.
        labels: ``labels.json``.

    Returns:
        MLflow's entry of the logged model.
    """
    if logged := _logged_model(run_id):
        return logged
    package = Path(facesent.__file__).parent
    with mlflow.start_run(run_id=run_id):
        info = mlflow.pyfunc.log_model(
            name=MODEL_NAME,
            python_model=str(package / "registry" / "served.py"),
            artifacts={"model": str(model), "labels": str(labels)},
            code_paths=[str(package)],
            signature=SIGNATURE,
            input_example={"image": [_example_photo()]},
            pip_requirements=[f"{name}=={version(name)}" for name in REQUIREMENTS],
        )
    return MlflowClient().get_logged_model(info.model_id)


def _logged_model(run_id: str) -> LoggedModel | None:
    """The whole model that a run holds, if it holds one; a kill may have left a part of one."""
    client = MlflowClient()
    outputs = client.get_run(run_id).outputs
    models = [client.get_logged_model(output.model_id) for output in (outputs.model_outputs if outputs else [])]
    return next((model for model in reversed(models) if model.status == LoggedModelStatus.READY), None)


def _example_photo() -> str:
    """A grey square as base64: the form of a request without anybody's picture in it."""
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), "grey").save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()
