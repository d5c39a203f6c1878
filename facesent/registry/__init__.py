"""MLflow: runs, the registered model, and what was decided about its versions."""
