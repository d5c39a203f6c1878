"""``facesent data label-issues`` and ``relabel``: find labels that are probably wrong, and apply what a person says."""

from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

import click

from facesent.commands.contents import data_option, show_outcome
from facesent.commands.errors import needing
from facesent.core.paths import Project
from facesent.core.preflight import Needs

if TYPE_CHECKING:
    import pandas as pd

    from facesent.labels.relabel import RelabelPlan

_SHOWN = 20


@click.command("label-issues")
@data_option
@click.option(
    "--predictions", type=click.Path(path_type=Path), default=Project().cross_validation / "predictions.csv",
    show_default=True, help="Out-of-fold predictions.",
)  # fmt: skip
@click.option("--limit", type=click.IntRange(min=1), default=200, show_default=True, help="Images in the queue.")
@click.option(
    "--output", type=click.Path(path_type=Path, file_okay=False), default=Path("outputs/label_issues"),
    show_default=True, help="Folder for the queue and its thumbnails.",
)  # fmt: skip
@needing(Needs.REPOSITORY)
def label_issues(data_dir: Path, predictions: Path, limit: int, output: Path) -> None:
    """Find labels that are probably wrong, and queue their images for review.

    Images that were kept in an earlier review of the same folder are not queued again.

    \b
    Example: python -m flows.cross_validation && facesent data label-issues
    """
    from facesent.core.files import images_in_use
    from facesent.labels.issues import find_label_issues, read_predictions, summarise
    from facesent.labels.queue import write_queue
    from facesent.params import load_params

    hidden = load_params(Project().params).report.no_thumbnails
    table = read_predictions(predictions)
    found = find_label_issues(table)
    with images_in_use(data_dir):
        queued = write_queue(found, data_dir, output, limit=limit, hidden=hidden)
    _show_issues(summarise(table, found), len(found), len(table))
    if queued.kept:
        click.echo(f"{queued.kept} of them were reviewed and kept before.")
    if not queued.images:
        click.echo("Nothing to review.")
        return
    pages = f"{queued.pages[0]}" + (f" to {queued.pages[-1].name}" if len(queued.pages) > 1 else "")
    click.echo(f"Queued the {queued.images} most doubtful images in {queued.file}, with thumbnails in {pages}.")
    click.echo(
        "Next: fill in its column decision with keep, drop or a class, then "
        f"facesent data relabel {quote(str(queued.file))}"
    )


@click.command()
@data_option
@click.option("--where", metavar="PATTERN", help="Decide for images with a file name that matches, such as '*~angry*'.")
@click.option("--label", metavar="CLASS", help="The decision for --where: a class, or drop.")
@click.option(
    "--output", type=click.Path(path_type=Path, file_okay=False), default=Path("outputs/label_conflicts"),
    show_default=True, help="Folder for the queue and its thumbnails.",
)  # fmt: skip
@needing(Needs.REPOSITORY)
def conflicts(data_dir: Path, where: str | None, label: str | None, output: Path) -> None:
    """Queue images that have several labels, for a person to decide which label is right.

    If the decision is a class, one copy stays in that class and the others are dropped. drop drops them all.

    \b
    Example: facesent data conflicts --where '*~angry*' --label Angry
    """
    from facesent.core.console import progress_of
    from facesent.core.errors import DataError
    from facesent.core.files import images_in_use
    from facesent.dataset.scan_cache import ScanCache
    from facesent.labels.conflicts import Rule, decided, find_conflicts, write_conflicts
    from facesent.params import load_params

    if (where is None) != (label is None):
        raise DataError("Expected --where and --label together. Received: one of them.")
    project = Project()
    params = load_params(project.params)
    cache = ScanCache.read(project.scan_cache)
    with images_in_use(data_dir):
        with progress_of("Looking") as progress:
            max_pixels = params.validate_.max_pixels
            found = find_conflicts(data_dir, max_pixels=max_pixels, cache=cache, progress=progress)
        if found.empty:
            click.echo("No image has two labels.")
            return
        rule = None if where is None or label is None else Rule(where, label)
        queue = decided(found, rule)
        queued = write_conflicts(queue, data_dir, output, hidden=params.report.no_thumbnails)
    click.echo(f"{queued.images} images have several labels: {queued.file}, with thumbnails in {queued.pages[0]}.")
    if rule:
        click.echo(f"{rule.pattern} decides {(queue['decision'] != '').sum()} of them: {rule.decision}.")
    click.echo(
        f"Next: fill in its column decision with a class or drop, then facesent data relabel {quote(str(queued.file))}"
    )


@click.command()
@click.argument("queue", metavar="QUEUE.csv", type=click.Path(path_type=Path))
@data_option
@click.option("--dry-run", is_flag=True, help="Check, and show what would be done.")
@needing(Needs.REPOSITORY | Needs.INDEX)
def relabel(queue: Path, data_dir: Path, dry_run: bool) -> None:
    """Move and drop images of data/ as the column decision of QUEUE.csv says: all of them, or none.

    A decision is keep, drop or a class; rows without one wait. The old content stays in DVC's cache, and you are told
    how to get it back.

    \b
    Example: facesent data relabel outputs/label_issues/queue.csv --dry-run
    """
    from rich.console import Console

    from facesent.labels import relabel as review

    if dry_run:
        intended, installed = review.preview(queue, data_dir), None
    else:
        with Console(stderr=True).status("Relabelling"):
            intended, installed = review.relabel(queue, data_dir)
    _show_plan(intended, dry_run=dry_run)
    if installed:
        show_outcome(data_dir, installed)


def _show_issues(summary: "pd.DataFrame", issues: int, images: int) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("Given", "Images", "Issues", "Mostly suggested", title="Label issues")
    for row in summary.itertuples():
        table.add_row(str(row.label), str(row.images), str(row.issues), str(row.suggested))
    Console().print(table, markup=False)
    click.echo(f"{issues} issues in {images} images ({issues / images:.1%}).")


def _show_plan(intended: "RelabelPlan", *, dry_run: bool) -> None:
    changes = [f"{old} -> {new}" for old, new in intended.moves.items()]
    changes += [f"{name} dropped" for name in intended.drops]
    for line in changes[:_SHOWN]:
        click.echo(line)
    if len(changes) > _SHOWN:
        click.echo(f"and {len(changes) - _SHOWN} more")
    click.echo(
        f"Moves: {len(intended.moves)}. Drops: {len(intended.drops)}. Kept: {intended.kept}. "
        f"Already done: {intended.done}."
    )
    for name, other in intended.conflicts[:_SHOWN]:
        click.echo(
            f"{name} is the same image as {other}: validate quarantines both until they have one class.", err=True
        )
    if dry_run:
        click.echo("Dry run: nothing was changed.")
