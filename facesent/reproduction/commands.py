"""Programs that run apart: their output passed on as it comes, and none left behind."""

import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from facesent.reproduction.errors import ReproductionError

Report = Callable[[str], None]

# What would lead a command out of its folder: another repository, stage, store or flow.
_FOREIGN = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "DVC_ROOT", "DVC_STAGE", "DVC_EXP_", "MLFLOW_", "FACESENT_")
_GRACE_SECONDS = 10.0
_SHOWN_LINES = 20


def environment(project: Path, store: str) -> dict[str, str]:
    """Variables for programs that use the code in ``project``, and MLflow's tracking store at ``store``."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    # dvc.yaml says `python`: that has to be this one.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    return {
        **kept,
        "PATH": path,
        "PYTHONPATH": str(project),
        "PYTHONUNBUFFERED": "1",
        "MLFLOW_TRACKING_URI": store,
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }


def run(command: list[str], folder: Path, env: Mapping[str, str], report: Report) -> None:
    """Run a program and pass on each line that it prints; whatever ends this ends the program and its children.

    Raises:
        ReproductionError: it failed; with the last lines that it printed.
    """
    last: deque[str] = deque(maxlen=_SHOWN_LINES)
    with subprocess.Popen(
        command,
        cwd=folder,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        process_group=0,
    ) as process:
        try:
            for line in map(str.rstrip, process.stdout or ()):
                report(line)
                last.append(line)
            code = process.wait()
        finally:
            if process.poll() is None:
                _end(process)
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


def _end(process: "subprocess.Popen[str]") -> None:
    _signal(process, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(_GRACE_SECONDS)
    # DVC may be gone while the stage that it started is not.
    _signal(process, signal.SIGKILL)


def _signal(process: "subprocess.Popen[str]", number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)
