"""Expected errors as one message and status 1."""

import functools
from collections.abc import Callable
from typing import ParamSpec

import click

from facesent.core.errors import FacesentError, in_words

P = ParamSpec("P")


def readable_errors(command: Callable[P, None]) -> Callable[P, None]:
    """Let a command end with the message of what a person can put right."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except FacesentError as error:
            raise click.ClickException(str(error)) from None
        except BrokenPipeError:
            # Whoever read the output has seen enough: click ends quietly.
            raise
        except OSError as error:
            raise click.ClickException(in_words(error)) from None

    return run
