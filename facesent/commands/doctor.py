"""``facesent doctor``: what is missing, and what to do."""

from itertools import chain
from typing import TYPE_CHECKING

import click

from facesent.commands.errors import anywhere

if TYPE_CHECKING:
    from facesent.doctor.finding import Finding

_COLOURS = {"ok": "green", "note": "yellow", "problem": "red"}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line, for programs.")
@anywhere
def doctor(as_json: bool) -> None:
    """Say what is installed, configured and reachable, and what to do about the rest.

    Ends with status 1 if there is a problem; a note is about what is not always needed. Nothing is changed, and no
    password is shown.

    \b
    Example: facesent doctor
    """
    import json

    from facesent.core.paths import Project
    from facesent.doctor import configured, installed, reachable, storage

    project, found = Project(), []
    # What an import depends on comes first; each finding is shown as soon as it is known.
    looks = (installed.findings(), configured.findings(project), reachable.findings(project), storage.remotes(project))
    for finding in chain.from_iterable(looks):
        found.append(finding)
        if as_json:
            click.echo(json.dumps(vars(finding), ensure_ascii=False))
        else:
            _show(finding)
    problems = sum(finding.state == "problem" for finding in found)
    if not as_json:
        click.echo(_conclusion(problems, sum(finding.state == "note" for finding in found)))
    raise SystemExit(1 if problems else 0)


def _show(finding: "Finding") -> None:
    from rich.console import Console
    from rich.text import Text

    # rich and not click, which knows nothing of NO_COLOR.
    console = Console(soft_wrap=True)
    line = Text.assemble((f"{finding.state:8}", _COLOURS[finding.state]), f"{finding.subject:16} {finding.what}")
    console.print(line)
    if finding.advice:
        console.print(f"{'':25}→ {finding.advice}", markup=False, highlight=False)


def _conclusion(problems: int, notes: int) -> str:
    if problems:
        return f"{problems} problem{'s' if problems > 1 else ''} to fix."
    return "Everything works." + (" The notes are about things that you may not need." if notes else "")
