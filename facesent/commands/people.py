"""``facesent data people``: who may be the same person, where nobody says so."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from facesent.commands.contents import data_option, scanned, show_outcome
from facesent.commands.errors import needing
from facesent.core.paths import Project
from facesent.core.preflight import Needs

if TYPE_CHECKING:
    import pandas as pd

    from facesent.params import Params
    from facesent.people.grouping import Faces
    from facesent.people.proposal import Embeddings, Proposal


@click.command()
@data_option
@click.option("--dry-run", is_flag=True, help="Write the table and thumbnails for review, and change nothing.")
@click.option(
    "--measure", "measuring", is_flag=True, help="Measure how well it finds the people that metadata.csv names."
)
@click.option("--resplit", is_flag=True, help="If people are in two splits, forget the splits.")
@click.option("--keep-splits", is_flag=True, help="Keep the splits, and leave out images that tie two together.")
@click.option("--no-cache", is_flag=True, help="Delete stored embeddings, and store none.")
@click.option(
    "--weights", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
    default=Path("weights/vggface2_mobilenet.weights.h5"), show_default=True,
    help="The file from facesent weights vggface2_mobilenet.",
)  # fmt: skip
@click.option(
    "--output", type=click.Path(path_type=Path, file_okay=False), default=Path("outputs/people"), show_default=True,
    help="Folder for the table and the thumbnails.",
)  # fmt: skip
@needing(Needs.REPOSITORY | Needs.INDEX | Needs.NETWORKS)
def people(
    data_dir: Path, dry_run: bool, measuring: bool, resplit: bool, keep_splits: bool, no_cache: bool, weights: Path,
    output: Path,
) -> None:  # fmt: skip
    """Propose who is the same person, by their faces, as the column group of data/metadata.csv.

    Images of one group are never in two splits. Few photos of a person are missed; in return, strangers who look alike
    may share a group, which only costs balance. Existing groups stay as they are: a new image joins one of them or
    starts another. Run this before the first dvc repro. If a person is already in two splits, it needs --resplit or
    --keep-splits.

    It takes 10 to 50 milliseconds per image without a GPU; outputs/cache/people.db keeps what it has seen.

    \b
    Example: facesent weights vggface2_mobilenet
             facesent data people --dry-run
    """
    from facesent.core.errors import DataError
    from facesent.params import load_params
    from facesent.sources.store import require_replaceable

    if resplit and keep_splits:
        raise DataError("Expected one of --resplit and --keep-splits. Received: both. Nothing was changed.")
    project = Project()
    params = load_params(project.params)
    if not (dry_run or measuring):
        require_replaceable(data_dir)
    embeddings = _embeddings(weights, _cache(project, no_cache))
    if measuring:
        _measure(project, params, data_dir, embeddings)
    elif (proposal := _proposed(project, params, data_dir, embeddings, output)) is None:
        if resplit:
            click.echo("The splits stay as they are. To forget them: facesent data resplit")
    else:
        torn = _torn(project, proposal)
        if dry_run:
            click.echo("Dry run: nothing was changed.")
        elif torn and not (resplit or keep_splits):
            raise DataError("Expected one of --resplit and --keep-splits. Received: none. Nothing was changed.")
        else:
            _apply(project, proposal, data_dir, forgetting=torn and resplit)


def _cache(project: Project, no_cache: bool) -> Path | None:
    if no_cache:
        project.people_cache.unlink(missing_ok=True)
    return None if no_cache else project.people_cache


def _embeddings(weights: Path, cache: Path | None) -> "Embeddings":
    from collections.abc import Mapping

    from facesent.core.console import progress_of

    def embed(files: Mapping[str, Path]) -> "Faces":
        from facesent.people.embeddings import embeddings

        with progress_of("Embedding") as progress:
            return embeddings(files, weights, cache, progress)

    return embed


def _looked_at(project: Project, params: "Params", data_dir: Path) -> "pd.DataFrame":
    """The manifest of the images; faces that are not among them any more are forgotten."""
    from facesent.people.cache import forget_others

    manifest = scanned(data_dir, params.validate_.max_pixels)
    forget_others(project.people_cache, set(manifest["sha256"].dropna()))
    return manifest


def _measure(project: Project, params: "Params", data_dir: Path, embeddings: "Embeddings") -> None:
    from facesent.core.files import images_in_use
    from facesent.people.proposal import LARGEST_SHARE, THRESHOLD, known_people
    from facesent.people.quality import measure

    with images_in_use(data_dir):
        files, numbers = known_people(_looked_at(project, params, data_dir), data_dir)
        found = measure(embeddings(files), numbers, threshold=THRESHOLD, largest_share=LARGEST_SHARE)
    click.echo(
        f"{found.images:,} images of known people, {found.people:,} of them with several photos.\n"
        f"Recall of pairs: {found.recall:.0%} (each person counts the same).\n"
        f"False match rate at the threshold {THRESHOLD}: {found.false_match_rate:.2%}.\n"
        f"Precision of pairs: {found.precision(found.images):.0%}; {found.found:.2f} right and {found.wrong:.2f} wrong "
        f"pairs per image. Wrong ones grow with the number of images to the power of {found.growth:.2f}."
    )


def _proposed(
    project: Project, params: "Params", data_dir: Path, embeddings: "Embeddings", output: Path
) -> "Proposal | None":
    """What is proposed, after it was shown; None where that is nothing."""
    from facesent.core.files import images_in_use
    from facesent.people.pages import save_pages
    from facesent.people.proposal import propose

    with images_in_use(data_dir):
        proposal = propose(_looked_at(project, params, data_dir), data_dir, embeddings)
        _show(proposal)
        if proposal.new.empty:
            return None
        table, pages = save_pages(proposal, data_dir, output, hidden=params.report.no_thumbnails)
    click.echo(f"All groups: {table}. The largest are in {', '.join(map(str, pages))}")
    return proposal


def _torn(project: Project, proposal: "Proposal") -> bool:
    """Whether groups would be in several splits, after that was shown."""
    from facesent.dataset.assignment import read_assignment

    torn = proposal.torn(read_assignment(project.assignment))
    if len(torn):
        click.echo(
            f"{len(torn):,} groups have images in several splits, {torn.sum():,} images in total. --resplit draws new "
            "splits, on which no earlier model can be compared; with --keep-splits, those that tie two splits together "
            "are left out, which suits a few new images."
        )
    return bool(len(torn))


def _apply(project: Project, proposal: "Proposal", data_dir: Path, *, forgetting: bool) -> None:
    from facesent.commands.redraw import redraw
    from facesent.people.proposal import apply

    # Told first: the splits are not forgotten where a stage has begun since.
    show_outcome(data_dir, apply(proposal, data_dir))
    if forgetting:
        click.echo(f"{redraw(project)} After dvc repro: facesent promote --replace-incomparable")


def _show(proposal: "Proposal") -> None:
    from facesent.core.text import some
    from facesent.people.quality import MEASURED

    images, new, joined, sizes = proposal.images, proposal.new, proposal.joined, proposal.sizes
    had = int((images["before"] != "").sum())
    unreadable = f", {proposal.unreadable:,} cannot be read" if proposal.unreadable else ""
    click.echo(f"{len(images):,} images: {had:,} already had a group{unreadable}.")
    if new.empty:
        click.echo("Nothing to propose: every image has a group, or resembles no other.")
        return
    founded = new["group"].nunique() - joined["group"].nunique()
    alone = int((images["group"] == "").sum())
    click.echo(
        f"Proposed: {len(new) - len(joined):,} images in {founded:,} new groups; {len(joined):,} join existing "
        f"groups. {alone:,} resemble no other image."
    )
    if len(sizes):
        largest = ", ".join(f"{size:,}" for size in sizes.head(5))
        click.echo(f"The largest proposed groups have {largest} images, at most {sizes.iloc[0] / len(images):.1%}.")
    if proposal.too_large:
        click.echo(f"Groups that would be too large together were kept apart: {proposal.too_large:,} times.")
    if proposal.bridges:
        click.echo(
            f"{len(proposal.bridges):,} images resemble two existing groups, and joined the more similar one: "
            f"{some(proposal.bridges)}. Groups are never merged: if two are one person, give them one name."
        )
    click.echo(
        f"Measured on {MEASURED.images:,} faces: recall of pairs {MEASURED.recall:.0%}, false match rate "
        f"{MEASURED.false_match_rate:.1%}, precision {MEASURED.precision(MEASURED.images):.0%}; with {len(images):,} "
        f"images the precision is about {MEASURED.precision(len(images)):.0%}, extrapolated. Wrong pairs cost balance, "
        "missed ones leak."
    )
