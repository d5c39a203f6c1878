"""A process that ends when the one that started it does, even if that was killed and could not say so."""

import os
import signal
import sys
from threading import Thread, Timer
from typing import NoReturn

_GRACE_SECONDS = 10.0


def exit_when_terminated() -> None:
    """Let a SIGTERM raise ``SystemExit`` in the main thread, so that things are put in order; further ones are ignored.

    A starter may ask more than once.
    """

    def leave(number: int, _frame: object) -> NoReturn:
        # Not SIG_IGN, which a program that is started now would inherit.
        signal.signal(number, lambda *_: None)
        sys.exit(128 + number)

    signal.signal(signal.SIGTERM, leave)


def end_with_stdin() -> None:
    """From now on, take the end of standard input for a SIGTERM, which raises ``SystemExit`` in the main thread.

    The starter holds a pipe to it, of which the system closes its end when it is gone.
    """
    exit_when_terminated()
    Thread(target=_wait_for_the_end, name="lifeline", daemon=True).start()


def _wait_for_the_end() -> None:
    # Not sys.stdin: its lock would be held here while the interpreter shuts down.
    while os.read(0, 1024):
        pass
    # A long step outside Python would keep the signal waiting.
    last_word = Timer(_GRACE_SECONDS, os._exit, [1])
    last_word.daemon = True
    last_word.start()
    os.kill(os.getpid(), signal.SIGTERM)
