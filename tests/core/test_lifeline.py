"""Ctrl-C on a real terminal, and programs that end with who started them."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from facesent.core.ports import free_port
from facesent.core.programs import child_environment
from tests.helpers.processes import survivors
from tests.helpers.terminals import interrupt

# People wait three seconds; this machine may be busy.
MOST_SECONDS = 6.0

STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
)
# Its main thread is outside Python, where no handler of a signal can run: a mutex that is locked twice.
STUCK = f"""
import ctypes, sys, threading
from pathlib import Path
from facesent.core.lifeline import exit_when_told
from facesent.core.programs import child_environment, process_group

exit_when_told("Run it again.")
with process_group([sys.executable, "-c", {STUBBORN!r}], Path(), child_environment()) as process:
    print("child:", process.stdout.readline(), flush=True)
    mutex, lock = ctypes.create_string_buffer(128), ctypes.CDLL(None).pthread_mutex_lock
    lock(mutex), lock(mutex)
"""


def variables() -> dict[str, str]:
    return child_environment({"PYTHONPATH": os.pathsep.join(filter(None, sys.path))})


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("code", [STUCK, STUCK.replace("lock(mutex), lock(mutex)", "process.wait()")])
def test_ctrl_c_ends_a_process_and_its_children_whatever_they_do(tmp_path: Path, code: str, times: int) -> None:
    ended = interrupt([sys.executable, "-c", code], tmp_path, variables(), "child: up", times=times)
    assert ended.status == 130, ended.printed
    assert ended.printed.count("Interrupted. Run it again.") == 1
    assert "Traceback" not in ended.printed
    assert ended.seconds < MOST_SECONDS
    assert len(ended.family) == 1
    assert survivors(ended.family) == []


def test_a_program_that_knows_nothing_of_it_ends_when_its_starter_is_killed(tmp_path: Path) -> None:
    # A stage of DVC's is such a one: a child of the program.
    (tmp_path / "stubborn.py").write_text(
        "import subprocess, sys\n"
        f"child = subprocess.Popen([sys.executable, '-c', {STUBBORN!r}])\n"
        "print(child.pid, sys.argv[1:], repr(sys.stdin.read()), flush=True); child.wait()"
    )
    starting = (
        "import os; from pathlib import Path; from facesent.core.programs import child_environment, python, run\n"
        "run(python('stubborn', 'a', '-b'), Path(), child_environment(), lambda line: print(line, flush=True))"
    )
    env = variables() | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, sys.path)])}
    command = [sys.executable, "-c", starting]
    with subprocess.Popen(command, cwd=tmp_path, env=env, stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout
        told = {starter.stdout.readline().strip() for _ in range(2)}
        family = psutil.Process(starter.pid).children(recursive=True)
        starter.kill()
    assert told == {"up", f"{family[-1].pid} ['a', '-b'] ''"}, "its arguments, and an empty standard input"
    assert len(family) == 2
    assert survivors(family) == []


@pytest.mark.slow
def test_the_page_ends_with_the_command_that_serves_it(tmp_path: Path) -> None:
    port = free_port()
    code = f"from facesent.serving.app.running import run; run({port}, None, browser=False)"
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, cwd=tmp_path, env=variables(), stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout
        assert any(str(port) in line for line in starter.stdout)
        family = psutil.Process(starter.pid).children(recursive=True)
        starter.kill()
    assert len(family) == 1
    assert survivors(family) == []


WITHOUT_STREAMS = """
import os, subprocess, sys
from facesent.core.lifeline import exit_when_told
exit_when_told()
from facesent.core.console import progress_of
with open("written", "w") as file:
    with progress_of("work") as report:
        report(1, 2)
    print("said", file=sys.stderr)
    subprocess.run([sys.executable, "-c", "import sys; print('child', file=sys.stderr); sys.stdin.read()"], check=True)
    os.write(2, b"noise")
    file.write("kept")
print("printed")
"""


@pytest.mark.parametrize("closed", ["2>&-", "<&- 2>&-", "<&-"])
def test_a_process_without_streams_writes_nothing_of_them_elsewhere(tmp_path: Path, closed: str) -> None:
    command = ["sh", "-c", f'exec "$0" -c "$1" {closed}', sys.executable, WITHOUT_STREAMS]
    done = subprocess.run(command, cwd=tmp_path, env=variables(), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "printed\n"), done.stderr
    assert (tmp_path / "written").read_text() == "kept"


def test_a_process_without_an_output_does_its_work(tmp_path: Path) -> None:
    command = ["sh", "-c", 'exec "$0" -c "$1" >&-', sys.executable, WITHOUT_STREAMS]
    subprocess.run(command, cwd=tmp_path, env=variables(), check=True, capture_output=True)
    assert (tmp_path / "written").read_text() == "kept"
