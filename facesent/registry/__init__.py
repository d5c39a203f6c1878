"""MLflow: runs, the registered model, and the decisions about its versions."""
