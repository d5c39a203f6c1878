import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks.__main__ import ALL, NAMES, main
from benchmarks.contest import Timing
from benchmarks.machine import describe
from benchmarks.results import Result, compared


def test_help_names_each_benchmark() -> None:
    text = CliRunner().invoke(main, ["--help"]).output
    assert all(f"  {name}" in text for name in NAMES)
    assert "benchmarks]" in text


def test_a_name_that_is_none_is_refused_with_the_names() -> None:
    answer = CliRunner().invoke(main, ["speed"])
    assert answer.exit_code == 2
    assert "orchestration" in answer.output


def test_the_machine_is_described_without_names_and_paths() -> None:
    text = describe()
    assert "cores" in text
    assert "Python 3" in text
    assert "/" not in text


def test_accuracy_asks_for_images(tmp_path: Path) -> None:
    answer = CliRunner().invoke(main, ["accuracy", "--scratch", str(tmp_path)])
    assert answer.exit_code == 2
    assert "Expected --data DIR" in answer.output


def test_all_goes_on_after_a_benchmark_failed_and_says_which(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run_apart(name: str, *_: object) -> list[Result]:
        if name == ALL[1]:
            raise RuntimeError("it broke")
        return [Result(name, "a figure", "1 s")]

    monkeypatch.setattr("benchmarks.__main__.run_apart", run_apart)
    answer = CliRunner().invoke(main, ["all", "--scratch", str(tmp_path)])

    assert answer.exit_code == 1
    assert f"Received none of: {ALL[1]}." in answer.stderr
    assert [line.split()[1] for line in answer.stdout.splitlines() if "a figure" in line] == [ALL[0], *ALL[2:]]


def test_a_peer_that_died_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = compared("a step", Timing("ours", (1.0,)), Timing("theirs", (), absent="died (status 1)"), at_most=1)
    monkeypatch.setattr("benchmarks.__main__.run_apart", lambda *_: [row])
    answer = CliRunner().invoke(main, ["train", "--scratch", str(tmp_path)])

    assert answer.exit_code == 0
    assert "died (status 1)" in answer.stdout


def test_processes_of_contestants_begin_without_the_libraries_of_others() -> None:
    """On some machines PyTorch dies beside Keras; and what a peer imports in vain, its figures bear."""
    modules = ["benchmarks.__main__", "benchmarks.torch_peer", *(f"benchmarks.{name}" for name in NAMES)]
    heavy = "{'tensorflow', 'keras', 'torch', 'mlflow', 'great_expectations', 'prefect', 'dvc'}"
    code = f"import sys, {', '.join(modules)}; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr
