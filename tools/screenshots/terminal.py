"""A command's output in a terminal, as a page."""

import io
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

_COLUMNS = 112
# rich's own page loads a font from the net.
_PAGE = """<!doctype html><meta charset="utf-8"><style>{stylesheet}
html {{ background: #0d1117 }}
body {{ margin: 0; padding: 24px; width: max-content; min-width: 1152px; color: {foreground}; background: #0d1117 }}
pre {{ margin: 0; font: 15px/1.35 "DejaVu Sans Mono", Menlo, Consolas, monospace }}
</style><pre>{code}</pre>"""


def terminal_page(command: str, root: Path, env: Mapping[str, str]) -> str:
    """Run ``facesent COMMAND`` in the project; HTML that looks like a terminal after it.

    Raises:
        RuntimeError: it did not end with 0, or with 1: ``doctor``'s word for a problem found.
    """
    from rich.console import Console
    from rich.terminal_theme import DIMMED_MONOKAI
    from rich.text import Text

    console = Console(record=True, file=io.StringIO(), width=_COLUMNS, force_terminal=True)
    console.print(Text.assemble(("$ ", "bold green"), (f"facesent {command}", "bold")))
    console.print(Text.from_ansi(_output(command, root, env)))
    return console.export_html(theme=DIMMED_MONOKAI, code_format=_PAGE)


def _output(command: str, root: Path, env: Mapping[str, str]) -> str:
    colours = {"FORCE_COLOR": "1", "COLUMNS": str(_COLUMNS), "TERM": "xterm-256color"}
    done = subprocess.run(
        [sys.executable, "-m", "facesent.cli", command],
        cwd=root, env={**env, **colours}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode not in (0, 1):
        raise RuntimeError(f"Expected `facesent {command}` to work. Received:\n{done.stdout}{done.stderr}")
    # Paths are of interest only below the project.
    shown = done.stdout.replace(sys.prefix, ".venv")
    return shown.replace(f"{root}/", "").replace(str(root), ".").rstrip()
