"""Which processes of model servers are there."""

import mlflow
import psutil

from facesent.serving.server import PROGRAM


def server_processes() -> list[psutil.Process]:
    """Of servers with this test's registry, also where what started them is gone."""
    found = []
    for process in psutil.process_iter():
        try:
            command, variables = process.cmdline(), process.environ()
        except psutil.Error:
            continue
        if str(PROGRAM) in command and variables.get("MLFLOW_TRACKING_URI") == mlflow.get_tracking_uri():
            found.append(process)
    return found
