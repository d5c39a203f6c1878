"""Run a module as ``python -m MODULE`` would, and note where its seconds go: starting and importing, MLflow, the rest.

``python -m benchmarks.stopwatch MODULE [ARGUMENT ...]`` appends one JSON object to the file that the variable
``STOPWATCH_FILE`` names.
"""

import atexit
import builtins
import functools
import json
import os
import runpy
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from types import ModuleType
from typing import Any

FILE_VARIABLE = "STOPWATCH_FILE"
IMPORTS, MLFLOW, IMAGES = "imports", "mlflow", "images"

# Where this project calls MLflow, and where the flow waits for images.
_WATCHED = {
    "facesent.registry.runs": (MLFLOW, None),
    "facesent.registry.packaging": (MLFLOW, None),
    "flows.first_images": (IMAGES, "bring"),
}


class Stopwatch:
    """Seconds by kind, of the main thread; within one kind another is not counted twice."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._running: list[str] = []
        self._since = 0.0

    def timed(self, kind: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, timed where the main thread calls it."""

        @functools.wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            if self._running[-1:] == [kind] or threading.current_thread() is not threading.main_thread():
                return function(*args, **kwargs)
            self._switch()
            self._running.append(kind)
            try:
                return function(*args, **kwargs)
            finally:
                self._switch()
                self._running.pop()

        return run

    def watch(self, module: ModuleType) -> None:
        """Time the module's own functions, if they are of a known kind."""
        kind, only = _WATCHED.get(module.__name__, ("", None))
        for name, value in list(vars(module).items()) if kind else []:
            own = getattr(value, "__module__", None) == module.__name__
            if callable(value) and own and not isinstance(value, type) and only in (None, name):
                setattr(module, name, self.timed(kind, value))

    def _switch(self) -> None:
        now = time.perf_counter()
        if self._running:
            self.seconds[self._running[-1]] += now - self._since
        self._since = now


def main() -> None:
    """Run the module that the command line names."""
    # Until here a process does nothing but compute.
    created = time.time() - time.process_time()
    stopwatch = Stopwatch()
    stopwatch.seconds[IMPORTS] = time.process_time()
    _watch_imports(stopwatch)
    # Registered first, called last.
    atexit.register(_note, " ".join(sys.argv[1:]), created, stopwatch)
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


def _watch_imports(stopwatch: Stopwatch) -> None:
    plain = stopwatch.timed(IMPORTS, builtins.__import__)
    pending = set(_WATCHED)

    def import_(name: str, *args: Any, **kwargs: Any) -> Any:
        found = plain(name, *args, **kwargs)
        for watched in [each for each in pending if each in sys.modules]:
            # Its functions are wrapped before the module that imports it takes them.
            if not getattr(sys.modules[watched].__spec__, "_initializing", False):
                pending.discard(watched)
                stopwatch.watch(sys.modules[watched])
        return found

    builtins.__import__ = import_


def _note(command: str, created: float, stopwatch: Stopwatch) -> None:
    note = {"command": command, "created": created, "left": time.time(), **stopwatch.seconds}
    with open(os.environ[FILE_VARIABLE], "a", encoding="utf-8") as file:  # noqa: PTH123  (the interpreter is ending)
        file.write(json.dumps(note) + "\n")


if __name__ == "__main__":
    main()
