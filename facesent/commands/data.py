"""``facesent data``: get images into ``data/``, and see what it holds."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from facesent.commands import next_steps
from facesent.commands.contents import as_dict, data_option, show_contents, show_outcome
from facesent.commands.errors import needing
from facesent.core.console import progress_of
from facesent.core.cropping import CROPS, DEFAULT_CROP, Crop
from facesent.core.paths import Project
from facesent.core.preflight import Needs, require
from facesent.core.text import some

if TYPE_CHECKING:
    from facesent.sources.folder import Imported

Fill = Callable[[Path], "Imported | None"]

_replace_option = click.option("--replace", is_flag=True, help="Replace the current content.")
_without_option = click.option("--without", metavar="CLASS", multiple=True, help="Leave out a class; may be repeated.")
_crop_option = click.option(
    "--crop", type=click.Choice(CROPS), default=DEFAULT_CROP, show_default=True,
    help="Take the largest face of each photo alone, as predict does; photos without one are left out.",
)  # fmt: skip


@click.group()
def data() -> None:
    """Get images into data/ and see what it holds.

    \b
    Example: facesent data draw && facesent data status
    """


@data.command()
@data_option
@_replace_option
@click.option("--persons", type=click.IntRange(min=2), default=150, show_default=True, help="Drawn people.")
@click.option("--image-size", type=click.IntRange(16, 1024), default=128, show_default=True, help="Side in pixels.")
@click.option(
    "--seed", type=click.IntRange(0, 2**64 - 1), default=7, show_default=True, help="Another seed draws other people."
)
@needing(Needs.REPOSITORY | Needs.INDEX)
def draw(data_dir: Path, replace: bool, persons: int, image_size: int, seed: int) -> None:
    """Draw faces of six classes, the same bytes each time.

    \b
    Example: facesent data draw
    """
    from facesent.sources.drawn_faces.dataset import draw_dataset

    def drawn(incoming: Path) -> None:
        with progress_of("Drawing") as progress:
            draw_dataset(incoming, seed=seed, persons=persons, image_size=image_size, progress=progress)

    _bring_in(data_dir, replace, drawn)


# What `facesent reproduce` asks older checkouts for, and their people are used to.
data.add_command(click.Command("sample", hidden=True, callback=draw.callback, params=draw.params))


@data.command()
@data_option
@_replace_option
@_without_option
@_crop_option
@click.option("--handle", metavar="OWNER/DATASET", help="Another Kaggle dataset of class folders.")
@needing(Needs.REPOSITORY | Needs.INDEX)
def download(data_dir: Path, replace: bool, without: tuple[str, ...], crop: Crop, handle: str | None) -> None:
    """Download the Kaggle dataset with your Kaggle credentials.

    Run it again after a broken connection: it resumes where it stopped.

    \b
    Example: KAGGLE_USERNAME=you KAGGLE_KEY=... facesent data download --replace
    """
    import shutil

    from facesent.sources.folder import import_download
    from facesent.sources.kaggle import KAGGLE_DATASET, fetch_archive
    from facesent.sources.store import downloads

    _require_face_finder(crop)
    folder = downloads(data_dir)

    def fetch(incoming: Path) -> "Imported":
        with progress_of("Downloading", unit="bytes") as progress:
            archive = fetch_archive(handle or KAGGLE_DATASET, folder, progress=progress)
        with progress_of("Importing") as progress:
            return import_download(archive, incoming, without=without, crop=crop, progress=progress)

    _bring_in(data_dir, replace, fetch)
    shutil.rmtree(folder, ignore_errors=True)


@data.command("import")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@data_option
@_replace_option
@_without_option
@_crop_option
@click.option("--link", is_flag=True, help="Hard-link the images instead of copying them, where possible.")
@needing(Needs.REPOSITORY | Needs.INDEX)
def import_(
    folder: Path, data_dir: Path, replace: bool, without: tuple[str, ...], crop: Crop, link: bool
) -> None:  # fmt: skip
    """Import the images of DIR/<Class>/, with DIR/metadata.csv if there is one; DIR may be a zip.

    Class folders in DIR/train/, DIR/val/ and DIR/test/ keep that split. DIR may be fer2013.csv, a table with the
    columns emotion, pixels and Usage, or a folder with it. Training, PublicTest and PrivateTest become train, val and
    test there, and as folders too. DIR may be RAF-DB, with its list_patition_label.txt.

    With --crop largest, the largest face is cut out of each whole photo. metadata.csv then says which photo it came
    from, so that the photo keeps its split, whole or cut.

    \b
    Example: facesent data import ~/faces --replace
             facesent data import ~/photos --crop largest
             facesent data import fer2013.csv --replace
    """
    _require_face_finder(crop)
    _require_apart(folder, data_dir)
    if link and crop != "none":
        raise click.UsageError("Expected --link or --crop, not both: a face that is cut out is a new file.")
    link = link and _may_link(data_dir)
    _bring_in(data_dir, replace, lambda incoming: _import(folder, incoming, link=link, without=without, crop=crop))


@data.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@data_option
@_without_option
@_crop_option
@needing(Needs.REPOSITORY | Needs.INDEX)
def add(folder: Path, data_dir: Path, without: tuple[str, ...], crop: Crop) -> None:
    """Add the images of DIR/<Class>/ to those of data/, with their rows of DIR/metadata.csv; DIR may be a zip.

    Images that data/ already has, whole or cut to the face, are not added again, and no image moves to another split.

    \b
    Example: facesent data add ~/more-faces
    """
    import shutil

    from rich.console import Console

    from facesent.sources.addition import add as add_to
    from facesent.sources.store import install, staging

    _require_face_finder(crop)
    _require_apart(folder, data_dir)
    with staging(data_dir) as incoming:
        new = incoming.with_name("new")
        imported = _import(folder, new, least_classes=1, without=without, crop=crop)
        added = add_to(new, data_dir, incoming)
        shutil.rmtree(new)
        with Console(stderr=True).status("Adding to DVC"):
            installed = install(incoming, data_dir, replace=True)
    _show_left_out(imported)
    for other, label in added.classes:
        click.echo(f"Took {other}/ as the class {label}, which {data_dir} has.")
    copies = f" Left out as copies of others in {folder}: {len(added.copies):,}." if added.copies else ""
    click.echo(f"Added {len(added.images):,} images. Already there: {len(added.known):,}.{copies}")
    if added.conflicts:
        name, other = added.conflicts[0]
        click.echo(
            f"{len(added.conflicts)} are the same image as one with another label, such as {name} and {other}. "
            "See: facesent data conflicts",
            err=True,
        )
    show_contents(data_dir, installed.contents)
    show_outcome(data_dir, installed)
    if installed.contents.proposed:
        click.echo("The groups here were proposed from the faces. For the new images: facesent data people")


def _require_face_finder(crop: Crop) -> None:
    if crop != "none":
        require(Path(), Needs.NETWORKS)


def _require_apart(folder: Path, data_dir: Path) -> None:
    from facesent.core.errors import DataError
    from facesent.sources.store import require_folder

    require_folder(data_dir)
    source, target = folder.resolve(), data_dir.resolve()
    if source.is_relative_to(target) or target.is_relative_to(source):
        raise DataError(f"Expected a folder outside {data_dir}. Received: {folder}")


def _may_link(data_dir: Path) -> bool:
    from facesent.sources.dvc import shares_files_with_cache

    if shares_files_with_cache(data_dir):
        click.echo(
            "Copying instead of linking: with DVC's cache.type hardlink, your files would become read-only.", err=True
        )
        return False
    return True


def _import(folder: Path, incoming: Path, **options: Any) -> "Imported":
    from facesent.sources.folder import import_archive, import_source

    take, scratch = (import_archive, "unpacked") if zipfile.is_zipfile(folder) else (import_source, "listed")
    with progress_of("Importing") as progress:
        return take(folder, incoming, incoming.with_name(scratch), progress=progress, **options)


@data.command()
@data_option
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@needing(Needs.REPOSITORY)
def status(data_dir: Path, as_json: bool) -> None:
    """Show what is in data/, by class, and whether it matches data.dvc.

    \b
    Example: facesent data status --json
    """
    from facesent.dataset.files import describe
    from facesent.sources.dvc import tracking
    from facesent.sources.store import recover_after_kill

    recover_after_kill(data_dir)
    contents, state = describe(data_dir), tracking(data_dir)
    if as_json:
        click.echo(json.dumps(as_dict(data_dir, contents, state), indent=2))
    else:
        show_contents(data_dir, contents)
        click.echo(next_steps.about(data_dir, contents, state))


@data.command()
@needing(Needs.REPOSITORY)
def resplit() -> None:
    """Forget the splits, so that the next run draws new ones for all images, with the next split.seed.

    Earlier models were trained on images of the new test split, so the gate does not compare with them. Only images
    that you add (facesent data add) are new to every model. To undo it: git checkout assignment.csv, and the former
    split.seed in params.yaml.

    \b
    Example: facesent data resplit
    """
    from facesent.commands.redraw import redraw

    project = Project()
    click.echo(redraw(project) or "No splits were recorded.")
    click.echo(f"Next: {next_steps.to_train(project)}, then facesent promote --replace-incomparable")


def _bring_in(data_dir: Path, replace: bool, fill: Fill) -> None:
    """Build new content, let it take its place, and say what is there then."""
    from rich.console import Console

    from facesent.sources.store import install, refuse_to_overwrite, staging

    with staging(data_dir) as incoming:
        refuse_to_overwrite(data_dir, replace=replace)
        imported = fill(incoming)
        with Console(stderr=True).status("Adding to DVC"):
            installed = install(incoming, data_dir, replace=replace)
    if imported:
        _show_left_out(imported)
    show_contents(data_dir, installed.contents)
    show_outcome(data_dir, installed)


def _show_left_out(imported: "Imported") -> None:
    from facesent.sources.cropping import NO_FACE

    if imported.cut:
        without = sum(reason == NO_FACE for _, reason in imported.skipped)
        click.echo(f"Cut {imported.cut:,} photos to their largest face; in {without:,} no face was found.")
    by_reason: dict[str, list[str]] = {}
    for name, reason in imported.skipped:
        by_reason.setdefault(reason, []).append(name)
    for reason, names in by_reason.items():
        click.echo(f"Skipped {some(names)}: {reason}.", err=True)
    if imported.unmatched:
        examples = ", ".join(imported.unmatched[:5])
        click.echo(f"Left out {len(imported.unmatched)} rows of metadata.csv without an image: {examples}.", err=True)
