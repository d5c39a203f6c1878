"""``facesent promote``, ``rollback`` and ``models``: the registry by hand."""

from typing import TYPE_CHECKING, Any

import click

from facesent.commands import next_steps
from facesent.commands.errors import needing, reading
from facesent.core.paths import Project
from facesent.core.preflight import Needs

if TYPE_CHECKING:
    from facesent.promotion.aliases import Promotion
    from facesent.promotion.canary.report import CanaryReport
    from facesent.promotion.verdict import Verdict
    from facesent.registry.listing import Listed

# --json has the whole sentence.
_WHY_LENGTH = 90
# Of the table in a file or a pipe, which say nothing of theirs.
_WIDTH = 100
_WAITS = 3


@click.command()
@click.option(
    "--replace-incomparable",
    is_flag=True,
    help="Promote even if the champion cannot be compared, for example because it has other classes.",
)
@needing(Needs.REPOSITORY | Needs.INDEX | Needs.NETWORKS)
def promote(replace_incomparable: bool) -> None:
    """Register the model, try it in the real server, judge it, and make it champion if it passes the gate.

    With gate.approval: true in params.yaml it then waits for approval: facesent approve VERSION.
    Ends with status 1 if the model was not promoted, and 3 if it waits for approval.

    \b
    Example: dvc repro && facesent promote
    """
    from facesent.params import load_params
    from facesent.promotion import aliases, approval, judge, register, report
    from facesent.promotion.canary import trial

    project = Project()
    candidate = register.register(project)
    click.echo(f"Version {candidate.version}: {'registered' if candidate.created else 'already registered'}.")
    click.echo("Canary: trying it in the real server ...")
    canary = trial.canary(project, candidate)
    _show_canary(canary)
    verdict = judge.judge(project, candidate, canary)
    _show_verdict(verdict)
    asked = load_params(project.params).gate.approval
    answer = approval.ask(verdict, replace_incomparable=replace_incomparable) if asked else None
    result = aliases.promote(verdict, replace_incomparable=replace_incomparable, approval=answer)
    show_aliases(result)
    click.echo(f"Report: {report.report(project, candidate, verdict, result, canary)}")
    if verdict.incomparable and not replace_incomparable:
        click.echo("To promote it anyway: facesent promote --replace-incomparable")
    if result.champion != candidate.version:
        raise SystemExit(_WAITS if answer and answer.state == "waiting" else 1)


@click.command()
@click.argument("version", metavar="[VERSION|ALIAS]", required=False)
@click.option("--reason", default="", help="A reason for the history in facesent models.")
@reading
def rollback(version: str | None, reason: str) -> None:
    """Make the previous champion the champion again, or another version that has passed the gate.

    Repeating it changes nothing. The version that was rolled back is not promoted again until you name it: facesent
    rollback VERSION.

    \b
    Example: facesent rollback --reason "confuses sad and neutral" && facesent models
             facesent rollback 3
    """
    import getpass

    from facesent.promotion import aliases
    from facesent.registry.versions import version_named

    number = version_named(version).number if version else None
    show_aliases(aliases.rollback(number, by=getpass.getuser(), why=reason))


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For programs: all tags and promotions.")
@reading
def models(as_json: bool) -> None:
    """List the registered versions: aliases, test accuracy with its interval, mean recall, verdict, when and why.

    \b
    Example: facesent models
    """
    import json

    from facesent.registry.listing import listed

    known = listed()
    if as_json:
        click.echo(json.dumps([version.as_dict() for version in known]))
    elif known:
        _show_versions(known)
    else:
        click.echo(f"No version is registered yet. Next: {next_steps.to_promote(Project())}")


def show_aliases(result: "Promotion") -> None:
    """Print which version is served, and why nothing changed if so."""
    if result.note:
        click.echo(result.note)
    if result.champion is None:
        click.echo("There is no champion.")
        return
    previous = f"; previous: version {result.previous}" if result.previous else ""
    click.echo(f"Champion: version {result.champion}{'' if result.changed else ' (unchanged)'}{previous}.")


def _show_canary(canary: "CanaryReport") -> None:
    click.echo(
        f"Canary {'passed' if canary.passed else 'failed'}: {canary.answered} photos answered, {canary.refused} bad "
        f"inputs refused; p95 {canary.latency_p95_ms:.0f} ms a photo, files of {canary.size_mb:.0f} MB, "
        f"{canary.memory_mb:.0f} MB of memory."
    )
    for problem in canary.problems:
        click.echo(f"  {problem}")


def _show_verdict(verdict: "Verdict") -> None:
    from rich.console import Console
    from rich.table import Table

    from facesent.promotion.verdict import HEADERS

    console = Console()
    console.print(f"[bold]{verdict.outcome}[/bold]: ", end="")
    console.print(verdict.reason, markup=False, highlight=False)
    if verdict.checks:
        table = Table(*(header.capitalize() for header in HEADERS))
        for check in verdict.checks:
            table.add_row(*check.row())
        console.print(table, markup=False)


def _show_versions(known: "list[Listed]") -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for name in ("Version", "Alias", "Test accuracy", "Recall", "Verdict", "When", "Why"):
        table.add_column(name, no_wrap=name != "Why")
    for version in known:
        table.add_row(*_row(version))
    console = Console()
    if not console.is_terminal:
        console.width = _WIDTH
    console.print(table, markup=False)


def _row(listed: "Listed") -> tuple[Any, ...]:
    from textwrap import shorten

    from rich.text import Text

    return (
        str(listed.number),
        "\n".join(listed.aliases),
        listed.accuracy.replace(" (", "\n("),
        listed.macro_recall,
        listed.verdict,
        f"{listed.when:%Y-%m-%d}\n{listed.when:%H:%M}",
        Text(shorten(listed.why, _WHY_LENGTH, placeholder=" …")),
    )


_by = click.option("--by", help="Who decides; the current user by default.")


@click.command()
@click.argument("version", metavar="VERSION|ALIAS")
@_by
@click.option("--reason", default="", help="A reason for the history in facesent models.")
@reading
def approve(version: str, by: str | None, reason: str) -> None:
    """Approve a version that passed the gate, and make it champion.

    With gate.approval: true in params.yaml, facesent promote and the flow ask before they promote. A waiting flow
    continues a few seconds later; without one, this command promotes by itself. If the champion has changed since the
    verdict, VERSION has to be judged again. VERSION may have been rejected before.

    \b
    Example: facesent models && facesent approve 3
    """
    import getpass

    from facesent.promotion import approval
    from facesent.registry.versions import version_named

    show_aliases(approval.approve(version_named(version).number, by=by or getpass.getuser(), reason=reason))


@click.command()
@click.argument("version", metavar="VERSION|ALIAS")
@_by
@click.option("--reason", required=True, help="What is wrong with it.")
@reading
def reject(version: str, by: str | None, reason: str) -> None:
    """Reject VERSION, which waits for approval; a flow that waits for it ends.

    You are not asked about it again. To change your mind: facesent approve VERSION.

    \b
    Example: facesent reject 3 --reason "half of the test photos are of one person"
    """
    import getpass

    from facesent.promotion import approval
    from facesent.registry.versions import version_named

    answer = approval.reject(version_named(version).number, by=by or getpass.getuser(), reason=reason)
    click.echo(answer.sentence)
