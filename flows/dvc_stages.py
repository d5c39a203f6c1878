"""DVC's stages as seen from outside: which there are, in which order, and running one.

DVC runs as a process of its own: it keeps global state, and a stage that is stopped must not take this process along.
"""

import re
import signal
import sys
from collections import deque
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Any

from facesent.core.errors import FacesentError
from facesent.core.programs import environment, process_group

_SHOWN_LINES = 20


# As facesent.core.console.run_stage prints it.
_SAID = "Error: "


_EXITED = re.compile(r"exited with (-?\d+)$", re.MULTILINE)


_BUSY = ("Unable to acquire lock", "is busy, it is being blocked by")


class Outcome(StrEnum):
    """What became of a stage: its command ran, or DVC had its results already."""

    RAN = "ran"
    CACHED = "cached"


class StageError(FacesentError):
    """A stage failed, or DVC cannot read the pipeline; the message ends with what was printed last."""


class DvcBusyError(StageError):
    """Another DVC command holds the project: the same call may succeed later."""


class StageKilledError(StageError):
    """A signal ended the stage: somebody, or the system for want of memory."""


def pipeline_stages(root: Path) -> list[str]:
    """Names of all stages under ``root``, in the order in which DVC would run them.

    Raises:
        StageError: ``root`` is no DVC project, its ``dvc.yaml`` cannot be read or it has no stages.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo
    from dvc.repo.reproduce import get_active_graph, plan_repro
    from dvc.stage import PipelineStage

    try:
        with Repo(str(root)) as repo:
            planned = plan_repro(get_active_graph(repo.index.graph))
            # The rest are .dvc files: data, which has no command.
            stages = [_name(stage) for stage in planned if isinstance(stage, PipelineStage)]
    except DvcException as error:
        raise StageError(f"Expected a DVC pipeline in {root.absolute()}. Received: {error}") from error
    if not stages:
        raise StageError(
            f"Expected stages in {root.absolute() / 'dvc.yaml'}. Received: none. Run this in the project's root folder."
        )
    return stages


def reproduce(stage: str, root: Path, log: Callable[[str], None]) -> Outcome:
    """Bring ``stage`` and all it depends on up to date: ``dvc repro STAGE``.

    What it depends on is normally fresh by then. It is checked all the same, so that data or code that changes
    meanwhile never leads to results from two states; changed data is taken over into its ``.dvc`` file.

    Args:
        stage: its name in ``dvc.yaml``.
        root: the project's root, in which DVC runs.
        log: receives each line as it is printed.

    Raises:
        StageError: with the last lines that were printed.
        DvcBusyError: another DVC command was running.
    """
    outcome = Outcome.CACHED
    printed: deque[str] = deque(maxlen=_SHOWN_LINES)
    # -P: a module in the project must not shadow one that DVC imports.
    command = [sys.executable, "-P", "-m", "dvc", "repro", stage]
    with process_group(command, root, environment()) as process:
        for line in filter(None, map(str.rstrip, process.stdout or ())):
            log(line)
            printed.append(line)
            if line.startswith(f"Running stage '{stage}'"):
                outcome = Outcome.RAN
                printed.clear()
        code = process.wait()
    if code:
        raise _error(stage, code, list(printed))
    return outcome


def _name(stage: Any) -> str:
    # DVC would name a stage of a dvc.yaml in a subfolder relative to the working folder of this process.
    file = Path(stage.path_in_repo)
    return str(stage.name if file.parent == Path() else f"{file.as_posix()}:{stage.name}")


def _error(stage: str, code: int, lines: list[str]) -> StageError:
    errors = "\n".join(line for line in lines if line.startswith("ERROR"))
    if any(sign in errors for sign in _BUSY):
        return DvcBusyError("\n".join(lines))
    if number := _signal_of(errors):
        last = next((line for line in reversed(lines) if not _is_about_the_end(line, number)), "")
        return StageKilledError(
            f"Stage {stage} was ended by {number.name}: by somebody, or by the system for want of memory."
            + (f" The last line that it printed: {last}" if last else "")
        )
    # DVC's own last line repeats the command, which says nothing after what the stage itself said.
    said = [line for line in lines if not line.startswith(("> ", "ERROR: failed to reproduce"))] or lines
    # What comes before a stage's own message is in the log.
    start = next((number for number, line in enumerate(said) if line.startswith(_SAID)), 0)
    said = [said[start].removeprefix(_SAID), *said[start + 1 :]] if said else []
    return StageError(f"Stage {stage} failed. " + ("\n".join(said) or f"It ended with code {code} and said nothing."))


def _signal_of(errors: str) -> signal.Signals | None:
    """The signal, where DVC's words tell of one; a shell adds 128 to its number."""
    number = max(abs(code) - 128 if code > 128 else -code for code in [0, *map(int, _EXITED.findall(errors))])
    return signal.Signals(number) if number in set(signal.Signals) else None


def _is_about_the_end(line: str, number: signal.Signals) -> bool:
    """Whether DVC or the shell that it started says this, and not the stage: many a shell says ``Killed``."""
    shells = rf"(.*: +\d+ )?{re.escape(signal.strsignal(number) or '')}( \(core dumped\))?( {{2,}}.*)?"
    return line.startswith(("> ", "ERROR", "Running stage")) or bool(re.fullmatch(shells, line))
