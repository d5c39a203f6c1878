"""A flow as a command of the terminal: ended by a signal with all that it started, and with errors as one message."""

import argparse
import sys
from collections.abc import Callable
from typing import Any

from prefect.client.schemas.objects import State

from facesent.core.console import leave_at_once
from facesent.core.errors import FacesentError
from facesent.core.lifeline import exit_when_terminated


def run_flow(name: str, flow: Callable[[], "State[Any]"], *, again: str) -> tuple[int, Any]:
    """Run a flow and say on stderr what kept it from its end.

    Args:
        name: of the flow.
        flow: runs it and returns its state.
        again: what a further run does after an interruption, as a sentence.

    Returns:
        The exit status, and what the flow returned if that is 0.
    """
    # The default would skip what runs at exit, and so leave Prefect's temporary server behind.
    exit_when_terminated()
    try:
        state = flow()
    except KeyboardInterrupt:
        return _say(name, f"Interrupted. {again}", status=130), None
    except FacesentError as error:
        return _say(name, str(error)), None
    except RuntimeError as error:
        if "Failed to reach API" not in str(error):
            raise
        start = "Start it with `prefect server start`, or unset PREFECT_API_URL to run without a server."
        return _say(name, f"{error}. {start}"), None
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


def _say(name: str, end: str, status: int = 1) -> int:
    print(f"\n{name}: {end}", file=sys.stderr)
    return status
