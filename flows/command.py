"""A flow as a command of the terminal: ended by a signal with all that it started, and with errors as one message."""

import argparse
import logging
import sys
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

from prefect.client.schemas.objects import State

from facesent.core import preflight
from facesent.core.console import leave_at_once
from facesent.core.environment import leave_unusable_proxies_out
from facesent.core.errors import in_a_line, to_put_right
from facesent.core.lifeline import exit_when_told
from facesent.core.paths import Project
from facesent.core.scratch import own_temporary_folder
from facesent.core.trouble import refuse
from facesent.dataset.files import check_names
from facesent.registry.client import address_troubles, prepare
from facesent.registry.tracking_server import server_troubles
from flows.killed import says_its_process
from flows.refusals import of_prefect
from flows.server import prefect_api

Ready = Callable[[], None]


def _without_traceback(record: logging.LogRecord) -> bool:
    """Let Prefect's line about the end of a task or flow stand alone, where its message is for people."""
    if record.exc_info and (error := record.exc_info[1]) and (to_put_right(error) or of_prefect(error)):
        record.exc_info = None
    return True


for _name in ("prefect.task_runs", "prefect.flow_runs"):
    logging.getLogger(_name).addFilter(_without_traceback)


def run_flow(name: str, flow: Callable[[Ready], "State[Any]"], *, again: str) -> tuple[int, Any]:
    """Run a flow and say on stderr what kept it from its end.

    Args:
        name: of the flow.
        flow: runs it and returns its state; what it is given waits until Prefect answers.
        again: what a further run does after an interruption, as a sentence.

    Returns:
        The exit status, and what the flow returned if that is 0.
    """
    exit_when_told(again)
    own_temporary_folder()
    try:
        preflight.require(Path())
        if Project().data.is_dir():
            check_names(Project().data)
        prepare()
        refuse(chain(address_troubles(), server_troubles()))
        leave_unusable_proxies_out()
        with prefect_api() as ready, says_its_process():
            state = flow(ready)
    except Exception as error:
        if (said := in_a_line(error) or of_prefect(error)) is None:
            raise
        return _say(name, said), None
    finally:
        leave_at_once()
    if not state.is_completed():
        return _say(name, f"{state.name}. {state.message}"), None
    return 0, state.result()


def positive(text: str) -> int:
    """An option's value that has to be 1 or more."""
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"expected 1 or more. Received: {number}")
    return number


def _say(name: str, end: str) -> int:
    print(f"\n{name}: {end}", file=sys.stderr)
    return 1
