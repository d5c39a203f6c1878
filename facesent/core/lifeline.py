"""A process that ends when it is told to, and when the one that started it does, even if that could not say so.

Run as a program, ``python lifeline.py MODULE [ARGUMENT …]``, it runs a module that knows nothing of this: with standard
input the module and its process group end. ``python lifeline.py --ready MODULE …`` imports these modules, and then
reads from standard input, as JSON, which one to run with which arguments. It imports nothing of the package, as it
also runs for older commits.
"""

import atexit
import json
import logging
import os
import runpy
import signal
import sys
import time
from collections.abc import Callable
from importlib import import_module
from threading import Thread, Timer
from typing import NoReturn

_GRACE_SECONDS = 10.0
# People wait three for what they interrupted.
_INTERRUPT_SECONDS = 2.2

_at_last: list[Callable[[], None]] = []


class _Interruption:
    """What is said once when Ctrl-C comes, and the thread that waits for it."""

    seconds = _INTERRUPT_SECONDS
    again = ""
    told = False
    watched = False

    def tell(self) -> None:
        if not self.told:
            self.told = True
            # A traceback of whoever is interrupted would hide what is said.
            logging.disable(logging.CRITICAL)
            os.write(2, f"\nInterrupted. {self.again}\n".encode())

    def watch(self) -> None:
        """Hear of it also while the main thread is outside Python, where its handler cannot run."""
        if not self.watched:
            self.watched = True
            reader, writer = os.pipe()
            os.set_blocking(writer, False)
            signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
            Thread(target=self._bound, args=[reader], name="interruption", daemon=True).start()

    def _bound(self, signals: int) -> None:
        while signal.SIGINT not in os.read(signals, 1024):
            pass
        time.sleep(self.seconds)
        self.tell()
        for act in _at_last:
            act()
        os._exit(128 + signal.SIGINT)


_interruption = _Interruption()


def leave_time(seconds: float) -> None:
    """Let what is interrupted from now on put things in order for so long."""
    _interruption.seconds = seconds


def exit_when_told(again: str = "Run it again to go on.") -> None:
    """Let SIGTERM, a closed terminal and Ctrl-C raise ``SystemExit`` in the main thread; further signals are ignored.

    Ctrl-C leaves a moment, in which things can be put in order, also where the main thread is outside Python: then
    what ``end_at_last`` was given is called, and the process is gone. A starter may ask more than once.

    Args:
        again: what to do after an interruption, as a sentence.
    """
    # First of all: the next file that is opened would take the place of a stream that is missing.
    open_missing_streams()
    _interruption.again = again
    # nohup, and a shell that puts it into the background, have some of them ignored.
    heard = [
        each for each in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT) if signal.getsignal(each) != signal.SIG_IGN
    ]

    def leave(number: int, _frame: object) -> NoReturn:
        for each in heard:
            # Not SIG_IGN, which a program that is started now would inherit.
            signal.signal(each, lambda *_: None)
        # At its very end Python takes every handler back.
        atexit.register(signal.signal, number, signal.SIG_IGN)
        if number == signal.SIGINT:
            _interruption.tell()
        sys.exit(128 + number)

    for each in heard:
        signal.signal(each, leave)
    if signal.SIGINT in heard:
        _interruption.watch()


def open_missing_streams() -> None:
    """Give a process that was started without one of its streams, as by ``2>&-``, one that leads nowhere."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            # The lowest number that is free: its own, also for those that this process starts.
            number = os.open(os.devnull, os.O_RDWR)
            os.set_inheritable(number, True)
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", closefd=False))


def end_at_last(act: Callable[[], None]) -> None:
    """Call this before the process of an interruption that took too long is gone."""
    _at_last.append(act)


def end_with_stdin() -> None:
    """From now on, take the end of standard input for a SIGTERM, which raises ``SystemExit`` in the main thread.

    The starter holds a pipe to it, of which the system closes its end when it is gone.
    """
    exit_when_told()
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


def _end_group_after(lifeline: int) -> None:
    while os.read(lifeline, 1024):
        pass
    # It leads the group, so nobody else is in it.
    os.killpg(0, signal.SIGKILL)


def _told_after_imports(modules: list[str]) -> list[str]:
    """The module to run and its arguments."""
    for name in modules:
        import_module(name)
    if not (line := sys.stdin.readline()):
        sys.exit()
    told: list[str] = json.loads(line)
    return told


if __name__ == "__main__":
    if sys.argv[1] == "--ready":
        sys.argv[1:] = _told_after_imports(sys.argv[2:])
    # What is started from here gets an empty standard input, and no end of the pipe.
    pipe = os.dup(0)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    Thread(target=_end_group_after, args=[pipe], name="lifeline", daemon=True).start()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
