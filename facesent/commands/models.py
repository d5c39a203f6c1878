"""``facesent promote``, ``rollback`` and ``models``: the registry by hand."""

from typing import TYPE_CHECKING

import click

from facesent.commands.errors import readable_errors

if TYPE_CHECKING:
    from facesent.promotion import Promotion
    from facesent.registry.gate import Verdict
    from facesent.registry.models import Version


@click.command()
@click.option(
    "--replace-incomparable",
    is_flag=True,
    help="Promote although the champion cannot be compared, for instance because it knows other classes.",
)
@readable_errors
def promote(replace_incomparable: bool) -> None:
    """Register the current model, hold it against the gate, and make it champion if it passes.

    Ends with status 1 if the model was not promoted.

    \b
    Example: dvc repro && facesent promote
    """
    from facesent import promotion
    from facesent.project import Project

    candidate = promotion.register(Project())
    click.echo(f"Version {candidate.version}: {'registered' if candidate.created else 'known already'}.")
    verdict = promotion.judge(Project(), candidate)
    _show_verdict(verdict)
    result = promotion.promote(verdict, replace_incomparable=replace_incomparable)
    _show_aliases(result)
    if result.champion != candidate.version:
        if verdict.outcome == "UNKNOWN":
            click.echo("To promote it all the same: facesent promote --replace-incomparable")
        raise SystemExit(1)


@click.command()
@readable_errors
def rollback() -> None:
    """Make the previous champion the champion again.

    \b
    Example: facesent rollback && facesent models
    """
    from facesent import promotion

    _show_aliases(promotion.rollback())


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@readable_errors
def models(as_json: bool) -> None:
    """List the registered versions: aliases, test accuracy, verdict, when, from which run.

    \b
    Example: facesent models
    """
    import json

    from facesent.registry.models import versions

    known = versions()
    if as_json:
        click.echo(json.dumps([{**vars(version), "created": version.created.isoformat()} for version in known]))
    elif known:
        _show_versions(known)
    else:
        click.echo("No version is registered yet. Next: facesent promote")


def _show_verdict(verdict: "Verdict") -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    console.print(f"[bold]{verdict.outcome}[/bold]: {verdict.reason}")
    table = Table("Metric", "Value", "Threshold", "Passed")
    for check in verdict.checks:
        table.add_row(check.metric, f"{check.value:.4f}", f"{check.threshold:.4f}", "yes" if check.passed else "no")
    console.print(table)


def _show_aliases(result: "Promotion") -> None:
    if result.champion is None:
        click.echo("There is no champion.")
        return
    previous = f"; previous: version {result.previous}" if result.previous else ""
    click.echo(f"Champion: version {result.champion}{'' if result.changed else ', as before'}{previous}.")


def _show_versions(known: "list[Version]") -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("Version", "Alias", "Test accuracy (95 %)", "Verdict", "Created", "Run")
    for version in known:
        tags = version.tags
        table.add_row(
            str(version.number),
            "\n".join(version.aliases),
            f"{tags.get('test_accuracy', '')} ({tags.get('test_accuracy_interval', '')})",
            tags.get("verdict", ""),
            f"{version.created:%Y-%m-%d %H:%M}",
            version.run_id[:8],
        )
    Console().print(table)
