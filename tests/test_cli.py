import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from facesent.cli import main

HEAVY = {"tensorflow", "keras", "mlflow", "prefect", "dvc", "great_expectations", "pandas", "sklearn", "numpy"}


def test_help_imports_nothing_heavy() -> None:
    code = "import sys, facesent.cli; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not HEAVY & set(loaded)


def commands() -> list[list[str]]:
    found = []
    for name, command in main.commands.items():
        found.append([name])
        children = getattr(command, "commands", {})
        found += [[name, child] for child, its in children.items() if not its.hidden]
    return found


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_every_command_has_help_with_an_example(command: list[str]) -> None:
    result = CliRunner().invoke(main, [*command, "--help"])
    assert result.exit_code == 0
    assert "Example: " in result.output


@pytest.mark.parametrize("command", [each for each in commands() if each not in (["data"], ["doctor"])], ids=" ".join)
def test_outside_a_project_every_command_says_where_to_run_it_and_leaves_nothing(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = tmp_path / "photo.png"
    photo.touch()
    folder = tmp_path / "notebooks"
    folder.mkdir()
    monkeypatch.chdir(folder)
    found: click.Command = main
    for name in command:
        found = found.commands[name]
    required = [each for each in found.params if each.required]
    options = [word for each in required if isinstance(each, click.Option) for word in (each.opts[0], "x")]
    arguments = [str(photo) for each in required if isinstance(each, click.Argument)]
    result = CliRunner().invoke(main, [*command, *options, *arguments])
    assert result.exit_code == 1
    assert "Run it in the project's root folder" in result.output
    assert list(folder.iterdir()) == []


def test_in_a_folder_that_is_gone_it_says_so(tmp_path: Path) -> None:
    (gone := tmp_path / "gone").mkdir()
    command = f'rmdir "{gone}"; exec "{sys.executable}" -m facesent.cli models'
    done = subprocess.run(["sh", "-c", command], cwd=gone, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: Expected a working folder. Received: one that was deleted.")
