"""MLflow: runs, the registered model and its aliases, the gate, the served model."""

import os

from facesent.registry.credentials import move_credentials

move_credentials(os.environ)
# Read when mlflow is imported; no usage statistics leave the machine, and stages print lines of their own.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
# Some 15 seconds before an absent server is told of, instead of four minutes.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
