"""What a command needs, looked at before it begins; expected errors as one message and status 1."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec

import click

from facesent.core.errors import in_a_line
from facesent.core.preflight import NOTHING, Needs, require
from facesent.core.trouble import refuse
from facesent.registry.client import address_troubles

P = ParamSpec("P")


def needing(needs: Needs) -> Callable[[Callable[P, None]], Callable[P, None]]:
    """Let a command begin where it has what it needs, and end with the message of what a person can put right."""
    return lambda command: _told(command, needs)


def reading(command: Callable[P, None]) -> Callable[P, None]:
    """The same for a command that asks MLflow alone: what is wrong with git, DVC or Keras does not concern it."""
    return _told(command, NOTHING)


def anywhere(command: Callable[P, None]) -> Callable[P, None]:
    """The same for a command that says itself what is wrong here."""
    return _told(command, None)


def _told(command: Callable[P, None], needs: Needs | None) -> Callable[P, None]:
    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            if needs is not None:
                require(Path(), needs)
                refuse(address_troubles())
            command(*args, **kwargs)
        except BrokenPipeError:
            # Whoever read the output has seen enough: click ends quietly.
            raise
        except Exception as error:
            if (said := in_a_line(error)) is None:
                raise
            raise click.ClickException(said) from None

    return run
