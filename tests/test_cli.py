import subprocess
import sys

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
