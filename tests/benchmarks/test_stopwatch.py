"""What the share of orchestration is told by."""

from importlib import import_module

from benchmarks.orchestration import _FLOW
from benchmarks.stopwatch import _WATCHED


def test_what_is_timed_is_there_and_is_imported_not_run() -> None:
    for module, (_, only) in _WATCHED.items():
        assert module != _FLOW[0], "it runs as __main__, a second time"
        assert only is None or getattr(import_module(module), only).__module__ == module
