"""What a data folder holds, as the commands that read or change it look at it and show it."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from facesent.commands import next_steps
from facesent.core.console import progress_of
from facesent.core.paths import Project

if TYPE_CHECKING:
    import pandas as pd

    from facesent.dataset.files import Contents
    from facesent.sources.dvc import Tracking
    from facesent.sources.store import Installed

data_option = click.option(
    "--data", "data_dir", type=click.Path(path_type=Path), default=Path("data"), show_default=True,
    help="Folder with the class folders.",
)  # fmt: skip


def scanned(data_dir: Path, max_pixels: int) -> "pd.DataFrame":
    """The images of a folder as ``scan`` gives them, by what earlier scans measured where they are as they were."""
    from facesent.dataset.manifest import scan
    from facesent.dataset.scan_cache import ScanCache

    cache = ScanCache.read(Project().scan_cache)
    with progress_of("Looking") as progress:
        return scan(data_dir, max_pixels=max_pixels, cache=cache, progress=progress)


def show_contents(data_dir: Path, contents: "Contents") -> None:
    """Print the classes with their images, and how many people and bytes they are."""
    from rich.console import Console
    from rich.table import Table

    if contents.empty:
        click.echo(f"{data_dir}: {'empty' if contents.exists else 'missing'}.")
        return
    table = Table("Class", title=str(data_dir), show_footer=True)
    table.columns[0].footer = "All"
    table.add_column("Images", justify="right", footer=str(contents.images))
    for name, images in contents.classes.items():
        table.add_row(name, str(images))
    # A class may be called "Happy [old]", which rich would take for markup.
    Console().print(table, markup=False)
    groups = f", {contents.groups} groups" if contents.groups else ""
    groups += f", {contents.proposed} of them proposed" if contents.proposed else ""
    others = f", {contents.other_files} other files" if contents.other_files else ""
    click.echo(f"{contents.bytes / 1e6:.1f} MB{groups}{others}.")


def show_outcome(data_dir: Path, installed: "Installed") -> None:
    """Say what an installation did, how to get back, and what to do next."""
    from facesent.sources.dvc import pointer

    if not installed.changed:
        click.echo("Unchanged.")
    if installed.way_back:
        click.echo(f"To restore the previous content: {installed.way_back}")
    if installed.tracked:
        click.echo(f"Tracked by DVC: {pointer(data_dir)}. Next: {next_steps.to_use(data_dir)}")
    else:
        click.echo(next_steps.to_track(data_dir))


def as_dict(data_dir: Path, contents: "Contents", state: "Tracking") -> dict[str, object]:
    """What a data folder holds, for programs."""
    return {
        "data": os.fspath(data_dir),
        "exists": contents.exists,
        "classes": dict(contents.classes),
        "images": contents.images,
        "other_files": contents.other_files,
        "bytes": contents.bytes,
        "groups": contents.groups,
        "proposed_groups": contents.proposed,
        "tracking": state.value,
    }
