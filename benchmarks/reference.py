"""The reference CNN with random weights, logged as facesent logs a model."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from facesent.model.backend import keras

LABELS = ("Ahegao", "Angry", "Happy", "Neutral", "Sad", "Surprise")


def log_reference(folder: Path, side: int) -> tuple[str, "keras.Model"]:
    """Log it to a store of its own; this process and those it starts use that store from now on.

    Args:
        folder: of the store and the files.
        side: of the network's images.

    Returns:
        The model's URI and the network.
    """
    os.environ |= {"MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db", "MLFLOW_DISABLE_TELEMETRY": "true"}
    import mlflow

    from facesent.model.architectures.build import build
    from facesent.model.settings import Model
    from facesent.model.storage import save_labels, save_model
    from facesent.registry.packaging import log_model

    network = build(Model(name="reference_cnn", image_size=side, dropout=0.5, batch_norm_momentum=0.99), len(LABELS))
    save_model(network, folder / "model.keras")
    save_labels(LABELS, folder / "labels.json")
    experiment = mlflow.create_experiment("serving", artifact_location=str(folder / "mlruns"))
    with mlflow.start_run(experiment_id=experiment) as started:
        pass
    model = log_model(started.info.run_id, folder / "model.keras", folder / "labels.json")
    return f"models:/{model.model_id}", network
