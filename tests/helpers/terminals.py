"""Programs on a terminal of their own, as people interrupt them."""

import os
import pty
import select
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

_MOST_SECONDS = 300.0
_CTRL_C = b"\x03"
_LOCAL_FLAGS = 3


@dataclass(frozen=True)
class Interrupted:
    """How a program took Ctrl-C.

    Attributes:
        status: its exit status.
        seconds: from the first Ctrl-C to its end.
        printed: after the first Ctrl-C.
        family: the processes that it had started.
    """

    status: int
    seconds: float
    printed: str
    family: list[psutil.Process]


def interrupt(
    command: Sequence[str], folder: Path, env: Mapping[str, str], sign: str, *, times: int = 1, pause: float = 0.3
) -> Interrupted:
    """Type Ctrl-C, so many times, once the program has printed ``sign``; whoever is of its group gets the signal."""
    with _on_terminal(command, folder, env) as (process, terminal):
        printed, deadline = b"", time.monotonic() + _MOST_SECONDS
        while sign.encode() not in printed:
            assert process.poll() is None, printed.decode()
            assert time.monotonic() < deadline, printed.decode()
            printed += _read(terminal, pause)
        family = psutil.Process(process.pid).children(recursive=True)
        begun, after = time.monotonic(), b""
        while process.poll() is None and time.monotonic() - begun < _MOST_SECONDS:
            if times:
                times -= 1
                os.write(terminal, _CTRL_C)
            after += _read(terminal, pause)
        seconds = time.monotonic() - begun
        while rest := _read(terminal, pause):
            after += rest
    return Interrupted(process.wait(), seconds, after.decode(errors="replace"), family)


@contextmanager
def _on_terminal(
    command: Sequence[str], folder: Path, env: Mapping[str, str]
) -> Iterator[tuple["subprocess.Popen[bytes]", int]]:
    terminal, inner = pty.openpty()
    # At Ctrl-C the system would throw away what was printed and not read yet, such as what the Ctrl-C before it led to.
    settings = termios.tcgetattr(inner)
    settings[_LOCAL_FLAGS] |= termios.NOFLSH
    termios.tcsetattr(inner, termios.TCSANOW, settings)
    # As a shell does it: a session whose terminal this is, and signals as they are by default.
    shell = (
        "import fcntl, os, signal, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
        "signal.signal(signal.SIGINT, signal.SIG_DFL); os.execvp(sys.argv[1], sys.argv[1:])"
    )
    whole = [sys.executable, "-c", shell, *command]
    process = subprocess.Popen(
        whole, cwd=folder, env=env, stdin=inner, stdout=inner, stderr=inner, start_new_session=True
    )
    os.close(inner)
    try:
        yield process, terminal
    finally:
        process.kill()
        process.wait()
        os.close(terminal)


def _read(terminal: int, seconds: float) -> bytes:
    """What it prints within so many seconds, as soon as it prints something."""
    # The system says that there is an error where the last one has closed it.
    with suppress(OSError):
        if select.select([terminal], [], [], seconds)[0]:
            return os.read(terminal, 65536)
    return b""
