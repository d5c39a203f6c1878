"""``facesent export``: a registered version for other runtimes."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from facesent.commands.errors import needing
from facesent.core.preflight import Needs
from facesent.serving.export.formats import FORMATS

if TYPE_CHECKING:
    from facesent.serving.export.version import Exported


@click.command()
@click.argument("version", metavar="VERSION|ALIAS")
@click.option("--format", "chosen", type=click.Choice([*FORMATS, "all"]), default="all", show_default=True)
@click.option(
    "--to",
    type=click.Path(file_okay=False, path_type=Path),
    help="Also copy the files here, into one folder per format.",
)
@needing(Needs.NETWORKS)
def export(version: str, chosen: str, to: Path | None) -> None:
    """Write a registered version as SavedModel, ONNX or LiteRT, and attach it to the version's run, if that is there.

    Each export first answers the project's test images. It is refused unless its probabilities match those of the
    served model within 1e-5, and its labels are the same. Ends with status 1 if a format was refused.

    \b
    Example: facesent export champion --format onnx --to for-the-phone
    """
    from facesent.core.paths import Project
    from facesent.registry.artifacts import EXPORTS
    from facesent.registry.versions import version_named
    from facesent.serving.export.version import export as export_version

    formats = tuple(FORMATS) if chosen == "all" else (chosen,)
    found = version_named(version)
    results = list(export_version(Project(), found, formats, to))
    _show(results)
    for result in results:
        if result.problem:
            click.echo(f"{result.format}: refused. {result.problem}", err=True)
        else:
            copied = [f"in {to / result.format}"] if to else []
            attached = [f"in run {result.run_id} under {EXPORTS}/{result.format}"] if result.run_id else []
            alone = "" if result.run_id else f" alone, since the run of version {found.number} is gone"
            click.echo(f"{result.format}: {', and '.join(attached + copied)}{alone}")
    if any(result.problem for result in results):
        raise SystemExit(1)


def _show(results: "list[Exported]") -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("Format", "Largest difference", "Other labels", "Images", "Attached", "SHA-256")
    for result in results:
        found = result.parity
        numbers = (
            (f"{found.largest_difference:.1e}", str(found.other_labels), str(found.images)) if found else ("",) * 3
        )
        attached = "yes" if result.run_id else "no"
        table.add_row(result.format, *numbers, attached, (result.sha256 or "")[:12])
    Console().print(table, markup=False)
