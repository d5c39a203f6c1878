"""``facesent predict``: ask the champion on the terminal."""

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from facesent.commands.errors import reading
from facesent.core.console import progress_of

if TYPE_CHECKING:
    from facesent.prediction.classifier import Classifier, Prediction
    from facesent.prediction.faces import Box
    from facesent.scoring.answer import Answer, Asked

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
    type=click.Choice(["none", "largest"]),
    default="none",
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
@reading
def predict(
    photos: tuple[Path, ...],
    version: str | None,
    min_confidence: float | None,
    top_k: int | None,
    crop: str,
    as_json: bool,
    output: Path | None,
) -> None:
    """Name the expression of PHOTO, or of every image under DIR.

    Ends with status 1 if an image could not be read; the others are answered all the same. For so many photos that it
    should go on after a kill, or on several machines: python -m flows.score --help

    \b
    Example: facesent predict --crop largest party.jpg
    Example: facesent predict photos --output answers.parquet
    """
    from facesent.registry.packaging import min_confidence_of
    from facesent.registry.versions import load_classifier, model_uri, version_named
    from facesent.scoring.answer import Asked

    if output and as_json:
        raise click.UsageError("Expected --json or --output, not both: with --output nothing but a summary is printed.")
    chosen = version_named(version).number
    classifier = load_classifier(chosen)
    confidence = min_confidence_of(model_uri(chosen)) if min_confidence is None else min_confidence
    batches = _answers(classifier, photos, Asked(crop, confidence, top_k or 0))
    if _write(batches, output, classifier.labels, chosen) if output else _show(batches, chosen, as_json=as_json):
        raise SystemExit(1)


def _answers(classifier: "Classifier", photos: Iterable[Path], asked: "Asked") -> Iterator[list["Answer"]]:
    """The answers in the order of the files; a batch in memory at a time."""
    from facesent.scoring.answer import BATCH
    from facesent.scoring.answers import answers
    from facesent.scoring.photos import images_under

    names = [name for photo in photos for name in ([str(photo)] if photo.is_file() else images_under(photo))]
    done = 0
    with progress_of("Predicting") if len(names) > BATCH else nullcontext(lambda done, total: None) as report:
        for batch in answers(classifier, names, asked):
            yield batch
            done += len(batch)
            if done < len(names):
                report(done, len(names))


def _show(batches: Iterable[list["Answer"]], version: int, *, as_json: bool) -> int:
    """Print a line a photo; how many could not be read."""
    # A bar would take what is printed meanwhile to its own terminal, also lines that are meant for a file.
    output = None if sys.stdout.isatty() else sys.stdout
    failed = 0
    for answer in (answer for batch in batches for answer in batch):
        if answer.prediction is None:
            failed += 1
            click.echo(f"{answer.name}: {answer.error}", err=True)
        else:
            said = answer.prediction, answer.box
            line = _as_json(answer.name, *said, version) if as_json else _as_line(answer.name, *said)
            click.echo(line, file=output)
    return failed


def _write(batches: Iterable[list["Answer"]], path: Path, labels: Sequence[str], version: int) -> int:
    """Write a row a photo into one file; how many could not be read."""
    from facesent.scoring.tables import written

    count = failed = 0
    with written(path, labels, version) as write:
        rows = list["Answer"]()
        for batch in batches:
            rows += batch
            if len(rows) >= _ROWS:
                write(rows)
                rows = []
            count += len(batch)
            failed += sum(answer.prediction is None for answer in batch)
        write(rows)
    unread = f", {failed:,} of which could not be read" if failed else ""
    click.echo(f"Wrote {path}: {count:,} photos{unread}.")
    return failed


def _table_path(path: Path | None) -> Path | None:
    if path and path.suffix not in (".parquet", ".csv"):
        raise click.BadParameter(f"Expected a name that ends in .parquet or .csv. Received: {path}")
    return path


def _as_json(file: str, prediction: "Prediction", box: "Box | None", version: int) -> str:
    answer = {**prediction.as_dict(), "version": version, "box": asdict(box) if box else None}
    return json.dumps({"file": file, **answer}, ensure_ascii=False)


def _as_line(file: str, prediction: "Prediction", box: "Box | None") -> str:
    others = sorted(prediction.probabilities.items(), key=lambda item: -item[1])
    if prediction.label in prediction.probabilities:
        others = others[1:]
    rest = "  ".join(f"{label} {probability:.1%}" for label, probability in others)
    face = f" at {box.left},{box.top} {box.width}x{box.height}" if box else ""
    return f"{file}{face}: {prediction.label} {prediction.confidence:.1%}" + (f"  ({rest})" if rest else "")
