from pathlib import Path

from click.testing import CliRunner

from benchmarks.__main__ import NAMES, main
from benchmarks.machine import describe


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
