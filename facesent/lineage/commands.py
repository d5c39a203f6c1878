"""Programs that run apart: their output passed on as it comes, and none left behind."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from facesent.core import programs
from facesent.core.errors import ReproductionError
from facesent.core.programs import followed, process_group

Report = Callable[[str], None]


# What would lead a command out of its folder: another repository, stage, store or flow.
_FOREIGN = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "DVC_ROOT", "DVC_STAGE", "DVC_EXP_", "MLFLOW_", "FACESENT_")


def environment(project: Path, store: str) -> dict[str, str]:
    """Variables for programs that use the code in ``project``, and MLflow's tracking store at ``store``."""
    own = {"PYTHONPATH": str(project), "MLFLOW_TRACKING_URI": store, "MLFLOW_DISABLE_TELEMETRY": "true"}
    return programs.environment(own, without=_FOREIGN)


def run(command: list[str], folder: Path, env: Mapping[str, str], report: Report) -> None:
    """Run a program and pass on each line that it prints; whatever ends this ends the program and its children.

    Raises:
        ReproductionError: it failed; with the last lines that it printed.
    """
    with process_group(command, folder, env) as process:
        code, last = followed(process, report)
    if code:
        said = "\n".join(last)
        raise ReproductionError(f"Expected `{_shown(command)}` to succeed. Received: status {code}\n{said}")


def dvc(*arguments: str) -> list[str]:
    """The command that runs DVC."""
    # -P: a module in the project must not shadow one that DVC imports.
    return [sys.executable, "-P", "-m", "dvc", *arguments]


def _shown(command: list[str]) -> str:
    words = command[command.index("-m") + 1 :] if command[0] == sys.executable else command
    return " ".join(words)
