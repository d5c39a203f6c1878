import subprocess
import sys
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import Context, copy_context
from pathlib import Path

import psutil
import pytest

from facesent.core.programs import ended_together, environment, process_group

# Starts a process of its own, says so, and stays.
PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
time.sleep(600)
"""


class Stopped(BaseException):
    """What a signal is turned into."""


def end(pids: list[int]) -> bool:
    """Tell whether all of them end; those that were killed may take a moment."""
    deadline = time.monotonic() + 30
    while not all(map(is_gone, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return all(map(is_gone, pids))


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def started(process: "subprocess.Popen[str]") -> list[int]:
    assert process.stdout
    return [process.pid, int(process.stdout.readline())]


def test_an_exception_ends_a_process_and_what_it_started(tmp_path: Path) -> None:
    pids = list[int]()

    def run() -> None:
        with process_group([sys.executable, "-c", PARENT], tmp_path, environment()) as process:
            pids.extend(started(process))
            raise Stopped

    with pytest.raises(Stopped):
        run()
    assert len(pids) == 2
    assert end(pids)


def test_an_exception_in_one_thread_ends_the_processes_that_others_wait_for(tmp_path: Path) -> None:
    pids, codes, ready = list[int](), list[Future[int]](), threading.Barrier(3)

    def wait() -> int:
        with process_group([sys.executable, "-c", PARENT], tmp_path, environment()) as process:
            pids.extend(started(process))
            ready.wait()
            return process.wait()

    def run(threads: ThreadPoolExecutor) -> None:
        with ended_together():
            codes.extend(threads.submit(copy_context().run, wait) for _ in range(2))
            ready.wait()
            raise Stopped

    with ThreadPoolExecutor(2) as threads, pytest.raises(Stopped):
        run(threads)
    assert all(code.result() != 0 for code in codes)
    assert len(pids) == 4
    assert end(pids)


def test_a_process_that_is_started_after_the_end_ends_at_once(tmp_path: Path) -> None:
    contexts = list[Context]()

    def run() -> None:
        with ended_together():
            contexts.append(copy_context())
            raise Stopped

    def late() -> int:
        with process_group([sys.executable, "-c", PARENT], tmp_path, environment()) as process:
            return process.wait()

    with pytest.raises(Stopped):
        run()
    assert contexts[0].run(late) != 0


def test_a_watched_standard_input_ends_with_the_starter_even_if_that_is_killed(tmp_path: Path) -> None:
    watching = "from facesent.core.lifeline import end_with_stdin; end_with_stdin(); print('up', flush=True)\n"
    watching += "import time\ntry: time.sleep(600)\nfinally: open('last word', 'w').write('bye')"
    starting = (
        "import os, sys; from pathlib import Path; from facesent.core.programs import environment, process_group\n"
        f"with process_group([sys.executable, '-c', {watching!r}], Path(), environment(), lifeline=True) as process:\n"
        "    process.stdout.readline(); print(process.pid, flush=True); process.wait()"
    )
    with subprocess.Popen([sys.executable, "-c", starting], cwd=tmp_path, stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout
        watcher = psutil.Process(int(starter.stdout.readline()))
        assert watcher.is_running()
        starter.kill()
    watcher.wait(timeout=60)
    assert (tmp_path / "last word").read_text() == "bye", "it could put things in order"
