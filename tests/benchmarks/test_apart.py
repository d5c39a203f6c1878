import subprocess
import sys
import time
from pathlib import Path

import psutil

from tests.helpers.processes import survivors

ROOT = Path(__file__).parents[2]


def test_the_command_starts_a_benchmark_and_says_which_failed(tmp_path: Path) -> None:
    """A scratch folder that is a file's place for pictures makes the benchmark fail at once."""
    (tmp_path / "faces-350x300-15453").write_text("in the way")
    command = [sys.executable, "-m", "benchmarks", "validate", "--scratch", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)

    assert done.returncode == 1
    assert "validate ..." in done.stderr
    assert "FileExistsError" in done.stderr or "NotADirectoryError" in done.stderr
    assert "Received none of: validate" in done.stderr
    assert done.stdout.startswith("Measured on")


def test_a_benchmark_ends_with_its_starter(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks", "validate", "--scratch", str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL) as process:
        # It has begun to draw its thousands of pictures.
        while not list(tmp_path.iterdir()):
            assert process.poll() is None
            time.sleep(0.05)
        started = psutil.Process(process.pid).children(recursive=True)
        process.kill()
    assert started
    assert survivors(started) == []
