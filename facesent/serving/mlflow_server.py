"""MLflow's server of a model, as ``mlflow models serve --env-manager local`` starts it, ready before it knows of which.

It imports what it needs, and then reads ``{"uri": URI, "host": HOST, "port": PORT}`` from standard input, with which it
also ends: so it does not outlive the process that started it. It is run as a file and imports nothing of the package,
since a version brings its own.
"""

import gc
import json
import os
import signal
import sys
import tempfile
from threading import Thread


def main() -> None:
    """Serve what standard input names, until told to end."""
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    # Imports make no garbage, and a search for it takes a quarter of their time.
    gc.disable()
    import keras  # noqa: F401
    import mlflow.store.model_registry.sqlalchemy_store
    import mlflow.store.tracking.sqlalchemy_store  # noqa: F401
    import uvicorn
    from mlflow.pyfunc import load_model, scoring_server

    if not (line := sys.stdin.readline()):
        return
    Thread(target=_end_with_stdin, name="lifeline", daemon=True).start()
    asked = json.loads(line)
    # MLflow fetches a model from a registry elsewhere into a folder for temporary files, and leaves it there.
    with tempfile.TemporaryDirectory(prefix="facesent-server-", ignore_cleanup_errors=True) as scratch:
        tempfile.tempdir = os.environ["TMPDIR"] = scratch
        # Its warnings would be of the versions of packages: to look for them in all that is installed takes a second.
        model = load_model(asked["uri"], suppress_warnings=True)
        gc.freeze()
        gc.enable()
        uvicorn.run(scoring_server.init(model), host=asked["host"], port=asked["port"])


def _end_with_stdin() -> None:
    # Not sys.stdin: its lock would be held here while the interpreter shuts down.
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    try:
        main()
    finally:
        # A last search for garbage takes over a second among TensorFlow's objects.
        gc.freeze()
