"""What people read where a run failed: the step, the reason, and what to do next."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from prefect.client.schemas.objects import State
from prefect.states import Failed

from facesent.core.errors import FacesentError, to_put_right
from facesent.core.markdown import code
from facesent.core.paths import Project
from flows.artifacts import verbatim
from flows.dvc_stages import DvcBusyError, StageCrashedError, StageError, StageKilledError
from flows.summary import Step, Steps, steps_table

_FREE_SPACE = "Free disk space if the disk is full, or find out why it cannot be written."
_AGAIN = "Then run it again: finished stages are cached."


@dataclass(frozen=True)
class Failure:
    """Why a run failed.

    Attributes:
        step: that failed; None before the first one, or between two.
        reason: what was expected and received.
        advice: what to do.
    """

    step: str | None
    reason: str
    advice: str

    @property
    def message(self) -> str:
        """All of it in a few lines, of which the last says what to do."""
        named = self.step is None or self.reason.startswith(f"Stage {self.step} ")
        return f"{'' if named else f'{self.step}: '}{self.reason}\nNext: {self.advice}"

    def to_markdown(self, steps: Sequence[Step]) -> str:
        """The page of the run."""
        title = f"# Failed in {self.step}" if self.step else "# Failed"
        parts = [title, verbatim(self.reason), f"**Next:** {self.advice}", steps_table(steps) if steps else ""]
        return "\n\n".join(filter(None, parts))


def failure_of(error: Exception, steps: Steps, project: Project) -> Failure:
    """Put an error into words for those who have to act on it."""
    step = steps.failed
    said = to_put_right(error)
    if said is None:
        reason = f"{type(error).__name__}: {error}"
        advice = (
            "This is a bug in the program, not a problem of the data or settings: the log of the run has the traceback."
        )
        return Failure(step, reason, f"{advice} {_AGAIN}")
    return Failure(step, said, _advice(error, step, project))


def failed(error: Exception) -> "State[Any]":
    """The state of a flow that has no steps, from what a person can put right.

    Returned by the flow, not raised: the message is for people, and a traceback in the log would hide it.

    Raises:
        Exception: ``error`` itself, a fault of the program.
    """
    said = to_put_right(error)
    if said is None:
        raise error
    return Failed(
        message=said if isinstance(error, FacesentError) else f"{said}\nNext: {_FREE_SPACE} Then run it again."
    )


def _advice(error: Exception, step: str | None, project: Project) -> str:
    match error:
        case DvcBusyError():
            return "Wait for the other DVC command, or end it. " + _AGAIN
        case StageKilledError():
            memory = "If it ran out of memory, lower train.batch_size in params.yaml. "
            again = "Then run it again: finished stages are cached, and a training resumes at its last saved epoch."
            return memory + again
        case StageCrashedError():
            return (
                "See `facesent doctor` and the log of the task for what broke, and `make setup` for the packages that "
                "work together. A training resumes at its last saved epoch."
            )
        case StageError() if step:
            found = sorted((project.outputs / step).glob("*.md"))
            see = f"{code(found[0].as_posix())} and " if found else ""
            return f"See {see}the log of task {step}; fix what they name. {_AGAIN}"
        case FacesentError():
            return "Do what the message says. " + _AGAIN
        case _:
            return f"{_FREE_SPACE} {_AGAIN}"
