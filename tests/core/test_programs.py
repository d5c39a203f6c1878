import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import Context, copy_context
from pathlib import Path

import psutil
import pytest

from facesent.core.programs import (
    SHOWN_LINES,
    Ending,
    ProgramError,
    Standby,
    child_environment,
    end,
    ended_together,
    process_group,
    python,
    ready,
    run,
    tell,
)
from tests.helpers.processes import survivors

# Starts a process of its own, says so, and stays.
PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
time.sleep(600)
"""

# Starts a process of its own that keeps none of our pipes, and fails.
LEAVING = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], stdout=subprocess.DEVNULL)
print(child.pid, flush=True)
sys.exit(3)
"""


class Stopped(BaseException):
    """What a signal is turned into."""


def run_code(code: str, folder: Path, log: Callable[[str], None]) -> None:
    (folder / "code_of_the_test.py").write_text(code)
    run(
        python("code_of_the_test"),
        folder,
        child_environment({"PYTHONPATH": os.pathsep.join([str(folder), *sys.path])}),
        log,
    )


def started(process: "subprocess.Popen[str]") -> list[psutil.Process]:
    assert process.stdout
    return [psutil.Process(pid) for pid in (process.pid, int(process.stdout.readline()))]


def test_an_exception_ends_a_process_and_what_it_started(tmp_path: Path) -> None:
    family = list[psutil.Process]()

    def run() -> None:
        with process_group([sys.executable, "-c", PARENT], tmp_path, child_environment()) as process:
            family.extend(started(process))
            raise Stopped

    with pytest.raises(Stopped):
        run()
    assert len(family) == 2
    assert survivors(family) == []


def test_what_a_program_printed_is_passed_on_and_ends_the_error(tmp_path: Path) -> None:
    printed = list[str]()
    code = "for n in range(30): print(f'line {n}\\n')\nraise SystemExit(3)"
    with pytest.raises(ProgramError) as failed:
        run_code(code, tmp_path, printed.append)
    assert printed == [f"line {number}" for number in range(30)]
    assert (failed.value.status, failed.value.last) == (3, printed[-20:])
    assert "status 3\nline 10\n" in str(failed.value)


def test_of_long_advice_the_error_is_not_lost() -> None:
    advice = [f"  {number}: 1" for number in range(3 * SHOWN_LINES)]
    said = Ending(["loading", "Error: model.name: Field required.", *advice]).lines
    assert said == ["Error: model.name: Field required.", *advice[: SHOWN_LINES - 1]]
    assert Ending(advice).lines == advice[-SHOWN_LINES:]


def test_an_error_names_the_module_and_no_interpreter(tmp_path: Path) -> None:
    with pytest.raises(ProgramError, match=r"^Expected `ast missing.py` to succeed\. Received: status 2\n"):
        run(python("ast", "missing.py"), tmp_path, child_environment(), print)


def test_a_program_that_fails_leaves_nothing_that_it_started(tmp_path: Path) -> None:
    with process_group([sys.executable, "-c", LEAVING], tmp_path, child_environment()) as process:
        family = started(process)
        assert process.wait() == 3
    assert survivors(family) == []


def test_an_exception_in_one_thread_ends_the_processes_that_others_wait_for(tmp_path: Path) -> None:
    family, codes, ready = list[psutil.Process](), list[Future[int]](), threading.Barrier(3)

    def wait() -> int:
        with process_group([sys.executable, "-c", PARENT], tmp_path, child_environment()) as process:
            family.extend(started(process))
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
    assert len(family) == 4
    assert survivors(family) == []


def test_a_process_that_is_started_after_the_end_ends_at_once(tmp_path: Path) -> None:
    contexts = list[Context]()

    def run() -> None:
        with ended_together():
            contexts.append(copy_context())
            raise Stopped

    def late() -> int:
        with process_group([sys.executable, "-c", PARENT], tmp_path, child_environment()) as process:
            return process.wait()

    with pytest.raises(Stopped):
        run()
    assert contexts[0].run(late) != 0


def test_a_watched_standard_input_ends_with_the_starter_even_if_that_is_killed(tmp_path: Path) -> None:
    watching = "from facesent.core.lifeline import end_with_stdin; end_with_stdin(); import time\n"
    watching += "try: print('up', flush=True); time.sleep(600)\nfinally: open('last word', 'w').write('bye')"
    starting = (
        "import os, sys; from pathlib import Path\n"
        "from facesent.core.programs import child_environment, process_group\n"
        f"command = [sys.executable, '-c', {watching!r}]\n"
        "with process_group(command, Path(), child_environment(), lifeline=True) as process:\n"
        "    process.stdout.readline(); print(process.pid, flush=True); process.wait()"
    )
    with subprocess.Popen([sys.executable, "-c", starting], cwd=tmp_path, stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout
        watcher = psutil.Process(int(starter.stdout.readline()))
        assert watcher.is_running()
        starter.kill()
    assert survivors([watcher]) == []
    assert (tmp_path / "last word").read_text() == "bye", "it could put things in order"


def test_a_second_signal_does_not_disturb_what_the_first_one_began(tmp_path: Path) -> None:
    code = (
        "import os, signal; from facesent.core.lifeline import exit_when_told; exit_when_told()\n"
        "try: os.kill(os.getpid(), signal.SIGTERM); signal.pause()\n"
        "finally: os.kill(os.getpid(), signal.SIGTERM); print('in order')"
    )
    with pytest.raises(ProgramError) as failed:
        run_code(code, tmp_path, print)
    assert (failed.value.status, failed.value.last) == (128 + signal.SIGTERM, ["in order"])


def ready_for(folder: Path, code: str, times: int) -> Standby["subprocess.Popen[str]"]:
    """Processes that wait for a command of ``python``, one of which is this code."""
    (folder / "code_of_the_test.py").write_text(code)
    variables = child_environment({"PYTHONPATH": os.pathsep.join([str(folder), *sys.path])})
    standby = Standby(lambda: ready(["json", "decimal"], folder, variables), lambda process: process)
    standby.allow(times)
    return standby


SAYS = "import os, sys; print(os.getpid(), sys.argv[1:], repr(sys.stdin.read()))"


def test_the_next_process_gets_ready_while_one_works_and_none_after_the_last(tmp_path: Path) -> None:
    printed, waited = list[str](), list[int]()
    with ready_for(tmp_path, SAYS, 2) as standby:
        for word in ("first", "second", "third"):
            waiting = standby.start()
            waited.append(waiting.pid if waiting else 0)
            run(python("code_of_the_test", word), tmp_path, {}, printed.append, standby)
    pids = [int(line.split()[0]) for line in printed]
    assert [line.split(maxsplit=1)[1] for line in printed] == [
        f"['{word}'] ''" for word in ("first", "second", "third")
    ]
    assert waited == [*pids[:2], 0]


def test_one_that_was_killed_while_it_waited_leaves_its_place_to_another(tmp_path: Path) -> None:
    printed = list[str]()
    with ready_for(tmp_path, SAYS, 1) as standby:
        killed = standby.start()
        assert killed
        end(killed, 0)
        killed.wait()
        run(python("code_of_the_test"), tmp_path, {}, printed.append, standby)
    assert int(printed[0].split()[0]) != killed.pid


def test_one_that_was_killed_before_it_was_told_is_found_by_its_end(tmp_path: Path) -> None:
    with process_group([sys.executable, "-c", PARENT], tmp_path, child_environment(), lifeline=True) as process:
        end(process, 0)
        process.wait()
        tell(process, {"uri": "models:/facesent/1"})
    assert process.returncode == -signal.SIGKILL


def test_one_that_waits_ends_with_the_block_and_one_that_works_with_an_exception(tmp_path: Path) -> None:
    begun = list[psutil.Process]()
    standby = ready_for(tmp_path, PARENT, 2)

    def stop(child: str) -> None:
        waiting = standby.start()
        assert waiting
        begun.extend([psutil.Process(int(child)), *psutil.Process(int(child)).parents()[:1]])
        begun.append(psutil.Process(waiting.pid))
        raise Stopped

    with pytest.raises(Stopped), standby:
        run(python("code_of_the_test"), tmp_path, {}, stop, standby)
    assert len(set(begun)) == 3
    assert survivors(begun) == []


def test_one_that_fails_says_what_a_command_of_its_own_would(tmp_path: Path) -> None:
    with ready_for(tmp_path, "print('so'); raise SystemExit(3)", 1) as standby, pytest.raises(ProgramError) as caught:
        run(python("code_of_the_test", "a"), tmp_path, {}, print, standby)
    assert str(caught.value) == "Expected `code_of_the_test a` to succeed. Received: status 3\nso"
