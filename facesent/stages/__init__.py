"""The stages of dvc.yaml: each file has one function of its own name."""

import runpy
import sys


def run_as_before(stage: str) -> None:
    """Let ``python -m facesent.stages.STAGE`` do what it did before ``python -m facesent.run``, which has watchers."""
    sys.argv.insert(1, stage)
    runpy.run_module("facesent.run", run_name="__main__")
