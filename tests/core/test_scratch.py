"""Real processes that keep temporary files, some of which are killed."""

import os
import subprocess
import sys
from pathlib import Path

from tests.helpers.disks import no_room

CODE = """
import os, sys, tempfile
from pathlib import Path
from facesent.core.scratch import own_temporary_folder, shared_temporary_folder

own_temporary_folder()
Path(tempfile.mkdtemp(), "model").touch()
if sys.argv[1:]:
    os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
assert shared_temporary_folder() == Path(tempfile.gettempdir()).parent
print(tempfile.gettempdir(), flush=True)
sys.stdin.read()
"""


def start(place: Path, *then: str) -> "subprocess.Popen[str]":
    environment = {**os.environ, "TMPDIR": str(place)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    return subprocess.Popen([sys.executable, "-c", CODE, *then], env=environment, text=True, **pipes)  # type: ignore[call-overload,no-any-return]


def folder_of(process: "subprocess.Popen[str]") -> Path:
    assert process.stdout
    return Path(process.stdout.readline().strip())


def test_it_ends_with_its_process_and_those_of_killed_ones_go_with_the_next(tmp_path: Path) -> None:
    with start(tmp_path) as killed, start(tmp_path) as running:
        left, kept = folder_of(killed), folder_of(running)
        killed.kill()
        killed.wait()
        assert list(left.glob("*/model"))
        with start(tmp_path) as process:
            next_one = folder_of(process)
            assert sorted(tmp_path.iterdir()) == sorted([kept, next_one])
            process.communicate()
        assert list(tmp_path.iterdir()) == [kept], "of one that runs"
        running.communicate()
    assert list(tmp_path.iterdir()) == []


def test_what_a_process_starts_shares_it(tmp_path: Path) -> None:
    with start(tmp_path, "-c", CODE) as process:
        shared = folder_of(process)
        assert shared.parent == tmp_path
        assert len(list(shared.glob("*/model"))) == 2
        process.communicate()


def test_where_every_disk_is_full_a_command_says_so_in_a_line(project: Path) -> None:
    (project / "dvc.yaml").touch()
    command = [sys.executable, "-m", "facesent.cli", "data", "resplit"]
    with no_room():
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "Error: File too large. Free disk space, then run it again.\n"
