"""A flow that waits until a person agrees: on its page in Prefect, or with ``facesent approve`` in a terminal."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import copy_context
from datetime import UTC, datetime, timedelta
from threading import Event, Thread
from typing import TYPE_CHECKING
from uuid import UUID

import httpx
from prefect import get_run_logger, pause_flow_run
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.responses import SetStateStatus
from prefect.exceptions import PrefectException
from prefect.input import RunInput
from prefect.runtime import flow_run
from pydantic import Field

from facesent.core.errors import FacesentError, TrackingError
from flows.tasks import registry_task

if TYPE_CHECKING:
    from facesent.registry.decisions import Approval

_SECONDS_BETWEEN_LOOKS = 2
# Prefect fails a run at the end of its own time, and no state can follow: ours has to come first.
_PREFECTS_MARGIN_SECONDS = 3600
_BY_REGISTRY = "facesent, as it was answered elsewhere or time is over"


class Answer(RunInput):
    """The form behind the button "Resume" on the page of the flow run."""

    approve: bool = Field(default=True, description="Serve this version from now on.")
    by: str = Field(default="", description="Who decides.")
    reason: str = Field(default="", description="For the history that `facesent models` shows.")


def wait_for_answer(approval: "Approval", hours: float) -> "Approval":
    """Pause the flow run until somebody answers, whichever way comes first.

    Args:
        approval: a question that waits.
        hours: after which the flow goes on without an answer; the question stays.

    Returns:
        the answer; still "waiting" where nobody gave one.

    Raises:
        FacesentError: if the version cannot be served any more, for another one became champion.
    """
    until = datetime.now(UTC) + timedelta(hours=hours)
    get_run_logger().info(
        "%s, or Resume on this run's page; until %s", approval.sentence, f"{until:%Y-%m-%d %H:%M} UTC"
    )
    with _resumed_by_registry(approval.version, until):
        answer = pause_flow_run(
            wait_for_input=Answer.with_initial_data(description=f"{approval.sentence}. Or decide here:"),
            timeout=round(hours * 3600) + _PREFECTS_MARGIN_SECONDS,
            poll_interval=_SECONDS_BETWEEN_LOOKS,
        )
    return _take.with_options(name="answer", task_run_name="answer")(approval.version, answer)


@registry_task
def _take(version: int, answer: Answer | None) -> "Approval":
    """Do what the form says, if a person sent it; somebody in a terminal may have been quicker by a second.

    A task, which is repeated: Prefect gives what was sent only once, and MLflow may be away at that moment.
    """
    from facesent.promotion import approval

    known = _answer_of(version)
    if answer and answer.by != _BY_REGISTRY and known.state == "waiting":
        act = approval.approve if answer.approve else approval.reject
        act(version, by=answer.by.strip() or "somebody on the flow's page", reason=answer.reason)
    return _answer_of(version)


def _waits(version: int) -> bool:
    """Whether there is still a question; a version or its tag may be deleted, which ``_take`` then says."""
    try:
        return _answer_of(version).state == "waiting"
    except TrackingError:
        raise
    except FacesentError:
        return False


def _answer_of(version: int) -> "Approval":
    from facesent.registry import decisions

    known = decisions.approval_of(version)
    if known is None:
        raise FacesentError(f"Expected version {version} to wait for approval. Received: no such tag; it was deleted.")
    return known


@contextmanager
def _resumed_by_registry(version: int, until: datetime) -> Iterator[None]:
    """Resume the paused run once the registry holds an answer, or time is over."""
    resumed, over = Event(), Event()
    run_id = UUID(str(flow_run.id))
    with get_client(sync_client=True) as client:

        def watch() -> None:
            while not (resumed.is_set() or over.wait(_SECONDS_BETWEEN_LOOKS)):
                # A server that restarts answers at one of the next looks.
                with suppress(TrackingError, PrefectException, httpx.HTTPError):
                    if datetime.now(UTC) >= until or not _waits(version):
                        _resume(client, run_id, resumed)

        # The context holds Prefect's settings.
        watcher = Thread(target=copy_context().run, args=[watch], daemon=True)
        watcher.start()
        try:
            yield
        finally:
            over.set()
            watcher.join()


def _resume(client: SyncPrefectClient, run_id: UUID, resumed: Event) -> None:
    # Refused while the run is not paused yet, or not any more. Its response may be lost, so that the form itself says
    # that it is no person's.
    result = client.resume_flow_run(run_id, run_input={"approve": False, "by": _BY_REGISTRY})
    if result.status == SetStateStatus.ACCEPT:
        resumed.set()
