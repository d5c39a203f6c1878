import subprocess
import sys
from pathlib import Path

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
