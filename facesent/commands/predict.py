"""``facesent predict``: ask the champion on the terminal."""

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from facesent.commands.errors import needing
from facesent.core.console import progress_of
from facesent.core.cropping import CROPS, DEFAULT_CROP, Crop
from facesent.core.preflight import Needs

if TYPE_CHECKING:
    from facesent.asking.answers import Answer, Wish
    from facesent.prediction.classifier import Classifier
    from facesent.scoring.answers import Row

_ROWS = 10_000


@click.command()
@click.argument("photos", nargs=-1, required=True, metavar="PHOTO|DIR...", type=click.Path(exists=True, path_type=Path))
@click.option("--version", metavar="VERSION|ALIAS", help="A registered version; the champion by default.")
@click.option(
    "--min-confidence",
    type=click.FloatRange(0, 1),
    help="Say uncertain below it; without it, the version's own, from serve.min_confidence.",
)
@click.option("--top-k", type=click.IntRange(min=1), help="Name only so many of the likeliest expressions.")
@click.option(
    "--crop",
    type=click.Choice(CROPS),
    default=DEFAULT_CROP,
    show_default=True,
    help="Look at the largest face of a photo alone, if one is found.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line, for programs.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    callback=lambda _context, _option, path: _table_path(path),
    metavar="FILE.parquet|FILE.csv",
    help="Write a table with one row a photo instead; a photo that cannot be read is a row with an error.",
)
@needing(Needs.NETWORKS)
def predict(
    photos: tuple[Path, ...],
    version: str | None,
    min_confidence: float | None,
    top_k: int | None,
    crop: Crop,
    as_json: bool,
    output: Path | None,
) -> None:
    """Name the expression of PHOTO, or of every image under DIR.

    Ends with status 1 if an image could not be read; the others are answered all the same. For very many photos, on
    several machines or resumable after a kill: python -m flows.score --help

    \b
    Example: facesent predict --crop largest party.jpg
    Example: facesent predict photos --output answers.parquet
    """
    from facesent.asking.answers import Wish
    from facesent.registry.packaging import min_confidence_of
    from facesent.registry.versions import load_classifier, model_uri, version_named

    if output and as_json:
        raise click.UsageError("Expected --json or --output, not both: with --output nothing but a summary is printed.")
    names = _names(photos)
    chosen = version_named(version).number
    classifier = load_classifier(chosen)
    wish = Wish(min_confidence_of(model_uri(chosen)) if min_confidence is None else min_confidence, top_k or 0, crop)
    rows = _rows(classifier, chosen, names, wish)
    if _write(rows, output, classifier.labels, chosen) if output else _show(rows, as_json=as_json, crop=crop):
        raise SystemExit(1)


def _names(photos: Iterable[Path]) -> list[str]:
    """Of the files, those in folders too."""
    from facesent.core.errors import DataError
    from facesent.dataset.files import SUFFIXES
    from facesent.scoring.photos import images_under

    names = list[str]()
    for photo in photos:
        found = list(images_under(photo)) if photo.is_dir() else [str(photo)]
        if not found:
            raise DataError(f"Expected images under {photo}, named {', '.join(sorted(SUFFIXES))}. Received: none.")
        names += found
    return names


def _rows(classifier: "Classifier", version: int, names: list[str], wish: "Wish") -> "Iterator[Row]":
    """The answers in the order of the files; a batch in memory at a time."""
    from facesent.asking.answers import BATCH
    from facesent.scoring.answers import named_answers

    with progress_of("Predicting") if len(names) > BATCH else nullcontext() as report:
        for done, row in enumerate(named_answers(classifier, version, names, wish), start=1):
            yield row
            if report and done % BATCH == 0 and done < len(names):
                report(done, len(names))


def _show(rows: "Iterable[Row]", *, as_json: bool, crop: Crop) -> int:
    """Print a line a photo; how many could not be read."""
    from facesent.images.reading import ImageError

    # A bar would take what is printed meanwhile to its own terminal, also lines that are meant for a file.
    output = None if sys.stdout.isatty() else sys.stdout
    failed = 0
    for name, answer in rows:
        if isinstance(answer, ImageError):
            failed += 1
            click.echo(f"{name}: {answer}", err=True)
        else:
            click.echo(_as_json(name, answer) if as_json else _as_line(name, answer, crop), file=output)
    return failed


def _write(rows: "Iterable[Row]", path: Path, labels: Sequence[str], version: int) -> int:
    """Write a row a photo into one file; how many could not be read."""
    from facesent.images.reading import ImageError
    from facesent.scoring.tables import written

    count = failed = 0
    rows = iter(rows)
    with written(path, labels, version) as write:
        while piece := list(islice(rows, _ROWS)):
            write(piece)
            count += len(piece)
            failed += sum(isinstance(answer, ImageError) for _, answer in piece)
    unread = f", {failed:,} of which could not be read" if failed else ""
    click.echo(f"Wrote {path}: {count:,} photos{unread}.")
    return failed


def _table_path(path: Path | None) -> Path | None:
    if path and path.suffix not in (".parquet", ".csv"):
        raise click.BadParameter(f"Expected a name that ends in .parquet or .csv. Received: {path}")
    return path


def _as_json(name: str, answer: "Answer") -> str:
    return json.dumps({"file": name, **answer.as_dict()}, ensure_ascii=False)


def _as_line(name: str, answer: "Answer", crop: Crop) -> str:
    others = sorted(answer.probabilities.items(), key=lambda item: -item[1])
    if answer.label in answer.probabilities:
        others = others[1:]
    rest = "  ".join(f"{label} {probability:.1%}" for label, probability in others)
    face = "" if crop == "none" else " as a whole, no face was found"
    if answer.box:
        face = f" at {answer.box.left},{answer.box.top} {answer.box.width}x{answer.box.height}"
    return f"{name}{face}: {answer.label} {answer.confidence:.1%}" + (f"  ({rest})" if rest else "")
