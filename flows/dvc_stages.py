"""DVC's stages as seen from outside: which there are, in which order, and running one.

DVC runs as a process of its own: it keeps global state, and a stage that is stopped must not take this process along.
"""

import re
import signal
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Any

from facesent.core.errors import FacesentError
from facesent.core.programs import Process, ProgramError, Standby, child_environment, dvc, ready, run

# As facesent.core.console.run_main prints it.
_SAID = "Error: "
_EXITED = re.compile(r"exited with (-?\d+)$", re.MULTILINE)
_MISSING = re.compile(r"failed to reproduce '(.+)': missing data 'source': (.+)")
# What it imports on the way to a stage's command.
_PARTS = (
    "dvc.cli.parser", "dvc.lock", "dvc.repo.graph", "dvc.repo.index", "dvc.repo.reproduce", "dvc.scm",
    "dvc.utils.strictyaml", "networkx",
)  # fmt: skip
# What a process ends itself by, or the processor for it.
_CRASHES = {signal.SIGSEGV, signal.SIGABRT, signal.SIGILL, signal.SIGBUS, signal.SIGFPE, signal.SIGSYS}
_LIBRARIES = "TensorFlow or the GPU's driver"
_BUSY = ("Unable to acquire lock", "is busy, it is being blocked by")


class StageResult(StrEnum):
    """What became of a stage: its command ran, or DVC had its results already."""

    RAN = "ran"
    CACHED = "cached"


class StageError(FacesentError):
    """A stage failed, or DVC cannot read the pipeline; the message ends with what was printed last."""


class DvcBusyError(StageError):
    """Another DVC command holds the project: the same call may succeed later."""


class StageKilledError(StageError):
    """A signal ended the stage: somebody, or the system for want of memory."""


class StageCrashedError(StageError):
    """A library that the stage uses broke down."""


def pipeline_stages(root: Path) -> list[str]:
    """Names of all stages under ``root``, in the order in which DVC would run them.

    Raises:
        StageError: ``root`` is no DVC project, its ``dvc.yaml`` cannot be read or it has no stages.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo
    from dvc.repo.reproduce import get_active_graph, plan_repro
    from dvc.stage import PipelineStage
    from dvc.utils.serialize import YAMLFileCorruptedError

    try:
        with Repo(str(root)) as repo:
            planned = plan_repro(get_active_graph(repo.index.graph))
            # The rest are .dvc files: data, which has no command.
            stages = [_name(stage) for stage in planned if isinstance(stage, PipelineStage)]
    except DvcException as error:
        # DVC keeps to itself where in a file.
        place = " ".join(f": {error.__cause__}".split()) if isinstance(error, YAMLFileCorruptedError) else ""
        raise StageError(f"Expected a DVC pipeline in {root.absolute()}. Received: {error}{place}") from error
    if not stages:
        raise StageError(
            f"Expected stages in {root.absolute() / 'dvc.yaml'}. Received: none. Run this in the project's root folder."
        )
    return stages


def standby(root: Path) -> Standby[Process]:
    """Room for DVC's processes: each imports its parts while the one before it runs a stage."""
    return Standby(lambda: ready(_PARTS, root, child_environment()), lambda process: process)


def repro(stage: str, root: Path, log: Callable[[str], None], waiting: Standby[Process] | None = None) -> StageResult:
    """Bring ``stage`` and all it depends on up to date: ``dvc repro STAGE``.

    What it depends on is normally fresh by then. It is checked all the same, so that data or code that changes
    meanwhile never leads to results from two states; changed data is taken over into its ``.dvc`` file.

    Args:
        stage: its name in ``dvc.yaml``.
        root: the project's root, in which DVC runs.
        log: receives each line as it is printed.
        waiting: where a process may be ready for it.

    Raises:
        StageError: with the last lines that were printed.
        DvcBusyError: another DVC command was running.
    """
    outcome = StageResult.CACHED

    def follow(line: str) -> None:
        nonlocal outcome
        log(line)
        if _starts(line, stage):
            outcome = StageResult.RAN

    try:
        run(dvc("repro", stage), root, child_environment(), follow, waiting)
    except ProgramError as error:
        raise _error(stage, error) from None
    return outcome


def _name(stage: Any) -> str:
    # DVC would name a stage of a dvc.yaml in a subfolder relative to the working folder of this process.
    file = Path(stage.path_in_repo)
    return str(stage.name if file.parent == Path() else f"{file.as_posix()}:{stage.name}")


def _starts(line: str, stage: str) -> bool:
    return line.startswith(f"Running stage '{stage}'")


def _error(stage: str, error: ProgramError) -> StageError:
    start = next((number for number, line in enumerate(error.last, 1) if _starts(line, stage)), 0)
    lines = error.last[start:]
    errors = "\n".join(line for line in lines if line.startswith("ERROR"))
    if any(sign in errors for sign in _BUSY):
        return DvcBusyError("\n".join(lines))
    if missing := _MISSING.search(errors):
        return StageError(
            f"Stage {stage} failed. Expected {missing[2]}, which {missing[1]} describes. Received: none. Get it: "
            f"dvc pull {missing[1]} from a remote, or dvc checkout {missing[1]} from the cache"
        )
    # DVC's own last line repeats the command, which says nothing after what the stage itself said.
    said = [line for line in lines if not line.startswith(("> ", "ERROR: failed to reproduce"))]
    # Of DVC itself, or of the stage as DVC tells it.
    if number := signal.Signals(-error.status) if error.status < 0 else _signal_of(errors):
        if number in _CRASHES:
            crashed = f"Stage {stage} crashed with {number.name}, in a library such as {_LIBRARIES}."
            return StageCrashedError("\n".join([crashed, *said]))
        killed = f"Stage {stage} was ended by {number.name}: by somebody, or by the system for lack of memory."
        return StageKilledError("\n".join([killed, *said]))
    # What comes before a stage's own message is in the log.
    start = next((number for number, line in enumerate(said) if line.startswith(_SAID)), 0)
    reason = "\n".join((said or lines)[start:]).removeprefix(_SAID)
    return StageError(f"Stage {stage} failed. {reason or f'It ended with status {error.status} and printed nothing.'}")


def _signal_of(errors: str) -> signal.Signals | None:
    """The signal, where DVC's words tell of one; a shell adds 128 to its number."""
    number = max(abs(code) - 128 if code > 128 else -code for code in [0, *map(int, _EXITED.findall(errors))])
    return signal.Signals(number) if number in set(signal.Signals) else None
