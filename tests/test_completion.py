"""What the docs say for the shell's start-up file, in a real bash."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.documents import blocks

BIN = Path(sys.executable).parent
ENVIRONMENT = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}


def bash(script: str) -> str:
    done = subprocess.run(["bash", "-c", script], env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def completed(*words: str) -> set[str]:
    """What the tabulator key offers after ``words``."""
    [line] = [block.code for block in blocks("docs/install.md") if "_FACESENT_COMPLETE" in block.code]
    typed = " ".join(f"'{word}'" for word in words)
    pressed = f"COMP_WORDS=({typed}); COMP_CWORD={len(words) - 1}; _facesent_completion facesent"
    return {*bash(f'{line}{pressed}; echo "${{COMPREPLY[@]}}"').split()}


def test_bash_completes_commands_options_and_presets(project: Path) -> None:
    assert completed("facesent", "pre") == {"predict", "preset"}
    assert completed("facesent", "data", "re") >= {"relabel", "resplit"}
    assert "--markdown" in completed("facesent", "compare", "--m")
    assert completed("facesent", "preset", "") == {"best", "fast", "finetuned", "quick", "reference"}
    assert [file.name for file in project.iterdir() if not file.name.startswith(".")] == []


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_get_a_script_too(shell: str) -> None:
    assert f"{shell}_complete" in bash(f"_FACESENT_COMPLETE={shell}_source facesent")
